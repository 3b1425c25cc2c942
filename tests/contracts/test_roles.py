# SPDX-License-Identifier: Apache-2.0
"""Who may do what, on the deployed contracts.

given a restricted function
    when somebody without its role calls it, whatever other roles he has
        it should be refused
given the admin
    when it acts without announcement
        it should be refused
    when it shortens its own or the notice giver's delay, having announced it
        it should keep the old one until the difference has passed as well
given the guardian
    when it undoes what it did
        it should be refused
"""

from typing import Any

import ape
import pytest
from ape.managers.chain import ChainManager

from tests.contracts.conftest import DELAY, ROLES, Cast, House

PLATFORM = MEASUREMENT = b"m" * 32
MODEL = {
    "name": "another",
    "layerDigests": [b"1" * 32],
    "embeddingDigest": b"e" * 32,
    "headDigest": b"h" * 32,
    "contextLength": 16,
    "entryLayerEquivalents": 0,
    "inputPrice": 1,
    "outputPrice": 1,
    "royaltyBps": 0,
    "royaltyRecipient": "0x" + "00" * 20,
    "manifestURI": "",
}
# in the order of AttestationPolicy
POLICY = (1 << 1, 0, 0, bytes(8), bytes(8), True, 2, 2)
ADMIN, NOTICE_GIVER = 0, 2

# function → contract, arguments, who may
RESTRICTED: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "publishModel": ("registry", (MODEL, []), "publisher"),
    "lowerPrices": ("registry", (1, 1, 1), "publisher"),
    "unpauseRequests": ("escrow", (), "publisher"),
    "allowMeasurement": ("registry", (1, MEASUREMENT), "notice_giver"),
    "raisePrices": ("registry", (1, 10**18, 10**18), "notice_giver"),
    "readmitPlatform": ("registry", (PLATFORM,), "notice_giver"),
    "setPolicy": ("registry", (1, POLICY), "notice_giver"),
    "listPlatform": ("registry", (1, PLATFORM), "notice_giver"),
    "withdrawMeasurement": ("registry", (1, MEASUREMENT), "guardian"),
    "denyPlatform": ("registry", (PLATFORM,), "guardian"),
    "tightenPolicy": ("registry", (1, POLICY), "guardian"),
    "unlistPlatform": ("registry", (1, PLATFORM), "guardian"),
    "pauseRequests": ("escrow", (), "guardian"),
    "bindEscrow": ("registry", ("0x" + "00" * 20,), "admin"),
}

WITH_NOTICE = [name for name, (_, _, role) in RESTRICTED.items() if role == "notice_giver"]


@pytest.mark.parametrize("function", RESTRICTED)
def test_restricted__everybody_without_the_role__is_refused(
    house: House, cast: Cast, function: str
) -> None:
    contract, arguments, holder = RESTRICTED[function]
    target = getattr(house, contract)
    selector = target.contract_type.methods[function].selector
    data = getattr(target, function).encode_input(*arguments)
    assert selector.startswith(function)
    for role in ROLES:
        at_once, delay = house.manager.canCall(getattr(cast, role), target, data[:4])
        expected = {"publisher": (True, 0), "guardian": (True, 0)}.get(holder, (False, DELAY))
        assert (at_once, delay) == (expected if role == holder else (False, 0)), role


@pytest.mark.parametrize("function", RESTRICTED)
def test_restricted__stranger__reverts_naming_him(
    house: House, cast: Cast, function: str, project: Any
) -> None:
    contract, arguments, _ = RESTRICTED[function]
    target = getattr(house, contract)
    error = project.contracts[target.contract_type.name].AccessManagedUnauthorized
    with ape.reverts(error, caller=cast.stranger.address):
        getattr(target, function)(*arguments, sender=cast.stranger)


@pytest.mark.parametrize("function", WITH_NOTICE)
def test_notice_giver__without_announcement__is_refused(
    house: House, cast: Cast, function: str, model_id: int
) -> None:
    contract, arguments, _ = RESTRICTED[function]
    with ape.reverts(house.manager.AccessManagerNotScheduled):
        getattr(getattr(house, contract), function)(*arguments, sender=cast.notice_giver)


def test_admin__without_announcement__cannot_grant_a_role(house: House, cast: Cast) -> None:
    with ape.reverts(house.manager.AccessManagerNotScheduled):
        house.manager.grantRole(NOTICE_GIVER, cast.admin, 0, sender=cast.admin)


def test_admin__without_announcement__cannot_open_a_function(house: House, cast: Cast) -> None:
    selector = house.registry.allowMeasurement.encode_input(1, MEASUREMENT)[:4]
    with ape.reverts(house.manager.AccessManagerNotScheduled):
        house.manager.setTargetFunctionRole(house.registry, [selector], 1, sender=cast.admin)


@pytest.mark.parametrize(
    ("role", "holder"), [(ADMIN, "admin"), (NOTICE_GIVER, "notice_giver")], ids=["own", "notice"]
)
def test_admin__shortens_a_delay__keeps_the_old_one_for_the_difference(
    house: House, cast: Cast, chain: ChainManager, role: int, holder: str
) -> None:
    account = getattr(cast, holder)
    shortening = house.manager.grantRole.encode_input(role, account, 0)
    house.manager.schedule(house.manager, shortening, 0, sender=cast.admin)
    chain.mine(timestamp=chain.pending_timestamp + DELAY)
    house.manager.grantRole(role, account, 0, sender=cast.admin)
    assert tuple(house.manager.hasRole(role, account)) == (True, DELAY)
    granted_at = chain.blocks.head.timestamp
    chain.mine(timestamp=granted_at + DELAY - 1)
    assert tuple(house.manager.hasRole(role, account)) == (True, DELAY)
    chain.mine(timestamp=granted_at + DELAY)
    assert tuple(house.manager.hasRole(role, account)) == (True, 0)


def test_guardian__undoes_its_pause__is_refused(house: House, cast: Cast, project: Any) -> None:
    house.escrow.pauseRequests(sender=cast.guardian)
    error = project.InferenceEscrow.AccessManagedUnauthorized
    with ape.reverts(error, caller=cast.guardian.address):
        house.escrow.unpauseRequests(sender=cast.guardian)

# SPDX-License-Identifier: Apache-2.0
"""Roles on the deployed contracts.

given a restricted function
    when an account without its role calls it, with or without other roles
        it should be refused
given the admin
    when it acts without announcement
        it should be refused
    when it shortens its own or the notice giver's delay after announcing it
        it should keep the old one until the difference has passed as well
given the guardian
    when it undoes what it did
        it should be refused
"""

from typing import Any

import ape
import pytest
from ape.managers.chain import ChainManager

from tests.contracts.conftest import DELAY
from tests.contracts.deployed import ROLES, DeployedContracts, Roles

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
    "minimumEvaluationNumber": 20,
    "manifestURI": "",
}
# in the order of AttestationPolicy
POLICY = (1 << 1, 0, 0, bytes(8), bytes(8), True, 2, 2)
ADMIN, NOTICE_GIVER = 0, 2

# Function → contract, arguments, the role that it needs.
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
def test_restricted__accounts_without_the_role__are_refused(
    deployed: DeployedContracts, roles: Roles, function: str
) -> None:
    contract, arguments, holder = RESTRICTED[function]
    target = getattr(deployed, contract)
    selector = target.contract_type.methods[function].selector
    data = getattr(target, function).encode_input(*arguments)
    assert selector.startswith(function)
    for role in ROLES:
        is_immediate, delay = deployed.manager.canCall(getattr(roles, role), target, data[:4])
        expected = {"publisher": (True, 0), "guardian": (True, 0)}.get(holder, (False, DELAY))
        assert (is_immediate, delay) == (expected if role == holder else (False, 0)), role


@pytest.mark.parametrize("function", RESTRICTED)
def test_restricted__stranger__reverts_with_its_address(
    deployed: DeployedContracts, roles: Roles, function: str, project: Any
) -> None:
    contract, arguments, _ = RESTRICTED[function]
    target = getattr(deployed, contract)
    error = project.contracts[target.contract_type.name].AccessManagedUnauthorized
    with ape.reverts(error, caller=roles.stranger.address):
        getattr(target, function)(*arguments, sender=roles.stranger)


@pytest.mark.parametrize("function", WITH_NOTICE)
def test_notice_giver__without_announcement__is_refused(
    deployed: DeployedContracts, roles: Roles, function: str, model_id: int
) -> None:
    contract, arguments, _ = RESTRICTED[function]
    with ape.reverts(deployed.manager.AccessManagerNotScheduled):
        getattr(getattr(deployed, contract), function)(*arguments, sender=roles.notice_giver)


def test_admin__without_announcement__cannot_grant_a_role(
    deployed: DeployedContracts, roles: Roles
) -> None:
    with ape.reverts(deployed.manager.AccessManagerNotScheduled):
        deployed.manager.grantRole(NOTICE_GIVER, roles.admin, 0, sender=roles.admin)


def test_admin__without_announcement__cannot_open_a_function(
    deployed: DeployedContracts, roles: Roles
) -> None:
    selector = deployed.registry.allowMeasurement.encode_input(1, MEASUREMENT)[:4]
    with ape.reverts(deployed.manager.AccessManagerNotScheduled):
        deployed.manager.setTargetFunctionRole(deployed.registry, [selector], 1, sender=roles.admin)


@pytest.mark.parametrize(
    ("role", "holder"), [(ADMIN, "admin"), (NOTICE_GIVER, "notice_giver")], ids=["own", "notice"]
)
def test_admin__shortens_a_delay__keeps_the_old_one_for_the_difference(
    deployed: DeployedContracts, roles: Roles, chain: ChainManager, role: int, holder: str
) -> None:
    account = getattr(roles, holder)
    shortening = deployed.manager.grantRole.encode_input(role, account, 0)
    deployed.manager.schedule(deployed.manager, shortening, 0, sender=roles.admin)
    chain.mine(timestamp=chain.pending_timestamp + DELAY)
    deployed.manager.grantRole(role, account, 0, sender=roles.admin)
    assert tuple(deployed.manager.hasRole(role, account)) == (True, DELAY)
    granted_at = chain.blocks.head.timestamp
    chain.mine(timestamp=granted_at + DELAY - 1)
    assert tuple(deployed.manager.hasRole(role, account)) == (True, DELAY)
    chain.mine(timestamp=granted_at + DELAY)
    assert tuple(deployed.manager.hasRole(role, account)) == (True, 0)


def test_guardian__undoes_its_pause__is_refused(
    deployed: DeployedContracts, roles: Roles, project: Any
) -> None:
    deployed.escrow.pauseRequests(sender=roles.guardian)
    error = project.InferenceEscrow.AccessManagedUnauthorized
    with ape.reverts(error, caller=roles.guardian.address):
        deployed.escrow.unpauseRequests(sender=roles.guardian)

# SPDX-License-Identifier: Apache-2.0
"""`ape run admin …`

given a change that needs notice
    when it is called first
        it should be announced publicly, and change nothing
    when it is called again too early
        it should say from which time on it can be done
    when it is called after the notice
        it should be done
    when the guardian cancels it, the admin's acts included
        it should not be possible at its time
given a change that needs none
    it should be done
given an account without the role
    it should name the missing role
given a chain with a block time, which ape does not wait for
    it should be done when the command ends
given any account
    it should show status, roles and announcements
given `--help`
    it should list the commands by theme, with whole sentences
"""

import re
from collections.abc import Iterator

import pytest
from ape.managers.chain import ChainManager

from administration.commands.group import (
    MODELS,
    PLATFORMS,
    POLICIES,
    REQUESTS,
    ROLES,
    VIEWS,
)
from tests.contracts.conftest import DELAY, INPUT_PRICE, OUTPUT_PRICE
from tests.contracts.deployed import DeployedContracts, Roles
from tests.contracts.enrolment import EnrolledShard
from tests.contracts.scripts import Scripts

OTHER = "0x" + "22" * 32
GIVER, GUARDIAN, PUBLISHER = (Roles.named(r) for r in ("notice_giver", "guardian", "publisher"))


@pytest.fixture
def allow(model_id: int) -> list[str]:
    return ["admin", "allow-measurement", "--model", str(model_id), "--measurement", OTHER]


def wait_for_notice(chain: ChainManager) -> None:
    chain.mine(timestamp=chain.pending_timestamp + DELAY)


def test_allow_measurement__after_the_notice__is_done(
    scripts: Scripts,
    deployed: DeployedContracts,
    chain: ChainManager,
    allow: list[str],
    model_id: int,
) -> None:
    assert "Announced: allow-measurement" in scripts.succeed(*allow, account=GIVER)
    assert not deployed.registry.isMeasurementAllowed(model_id, OTHER)
    assert "can be done from" in scripts.fail(*allow, account=GIVER)
    wait_for_notice(chain)
    assert "Done: allow-measurement" in scripts.succeed(*allow, account=GIVER)
    assert deployed.registry.isMeasurementAllowed(model_id, OTHER)
    assert "MeasurementAlreadyAllowed" in scripts.fail(*allow, account=GIVER)


def test_allow_measurement__cancelled_by_the_guardian__is_not_possible_at_its_time(
    scripts: Scripts,
    deployed: DeployedContracts,
    chain: ChainManager,
    allow: list[str],
    model_id: int,
) -> None:
    scripts.succeed(*allow, account=GIVER)
    announced = scripts.succeed("admin", "pending")
    assert f"allowMeasurement(modelId={model_id}, measurement={OTHER})" in announced
    operation = re.findall(r"operation +(0x[0-9a-f]{64})", announced)
    assert len(operation) == 1
    scripts.succeed("admin", "cancel", operation[0], account=GUARDIAN)
    assert "Nothing is announced." in scripts.succeed("admin", "pending")
    wait_for_notice(chain)
    scripts.succeed(*allow, account=GIVER)  # announces it again, and no more
    assert not deployed.registry.isMeasurementAllowed(model_id, OTHER)
    unknown = scripts.fail("admin", "cancel", "0x" + "00" * 32, account=GUARDIAN)
    assert "is waiting" in unknown


def test_raise_prices__after_the_notice__is_done(
    scripts: Scripts, deployed: DeployedContracts, chain: ChainManager, model_id: int
) -> None:
    higher = ["--input-price", "0.0002", "--output-price", "0.0003"]
    act = ["admin", "raise-prices", "--model", str(model_id), *higher]
    scripts.succeed(*act, account=GIVER)
    assert deployed.registry.priceOf(model_id).inputPrice == INPUT_PRICE
    wait_for_notice(chain)
    scripts.succeed(*act, account=GIVER)
    assert tuple(deployed.registry.priceOf(model_id))[:2] == (2 * INPUT_PRICE, OUTPUT_PRICE)


def test_lower_prices__by_the_publisher__is_done_immediately(
    scripts: Scripts, deployed: DeployedContracts, model_id: int
) -> None:
    lower = ["--input-price", "1 wei", "--output-price", "2 wei"]
    scripts.succeed("admin", "lower-prices", "--model", str(model_id), *lower, account=PUBLISHER)
    assert tuple(deployed.registry.priceOf(model_id))[:2] == (1, 2)


def test_withdraw_measurement__by_the_guardian__lets_anyone_evict(
    scripts: Scripts,
    deployed: DeployedContracts,
    roles: Roles,
    model_id: int,
    path: tuple[EnrolledShard, EnrolledShard],
) -> None:
    measurement = "0x" + path[0].enclave.measurement.hex()
    act = ["admin", "withdraw-measurement", "--model", str(model_id), "--measurement", measurement]
    assert "Done: withdraw-measurement" in scripts.succeed(*act, account=GUARDIAN)
    deployed.registry.evict(path[0].shard_id, sender=roles.stranger)
    assert not deployed.registry.isActive(path[0].shard_id)


def test_grant_role__after_the_notice__gives_it_with_the_usual_delay(
    scripts: Scripts, deployed: DeployedContracts, roles: Roles, chain: ChainManager
) -> None:
    act = ["admin", "grant-role", "guardian", roles.stranger.address]
    scripts.succeed(*act, account=Roles.named("admin"))
    assert not deployed.manager.hasRole(3, roles.stranger)[0]
    wait_for_notice(chain)
    scripts.succeed(*act, account=Roles.named("admin"))
    assert tuple(deployed.manager.hasRole(3, roles.stranger)) == (True, 0)
    assert roles.stranger.address in scripts.succeed("admin", "roles")


def test_m9_grant_role__cancelled_by_the_guardian__is_not_given(
    scripts: Scripts, deployed: DeployedContracts, roles: Roles, chain: ChainManager
) -> None:
    act = ["admin", "grant-role", "notice_giver", roles.stranger.address]
    scripts.succeed(*act, account=Roles.named("admin"))
    (operation,) = re.findall(r"operation +(0x[0-9a-f]{64})", scripts.succeed("admin", "pending"))
    scripts.succeed("admin", "cancel", operation, account=GUARDIAN)
    wait_for_notice(chain)
    scripts.succeed(*act, account=Roles.named("admin"))  # announces it again, and no more
    assert not deployed.manager.hasRole(2, roles.stranger)[0]


@pytest.mark.parametrize(
    ("act", "role"),
    [("pause", "GUARDIAN"), ("unpause", "PUBLISHER")],
)
def test_act__account_without_the_role__is_told_which(
    scripts: Scripts, deployed: DeployedContracts, act: str, role: str
) -> None:
    complaint = scripts.fail("admin", act, account=Roles.named("stranger"))
    assert f"does not hold the role {role}" in complaint


@pytest.fixture
def block_time(chain: ChainManager) -> Iterator[None]:
    chain.provider.make_request("evm_setIntervalMining", [1])
    yield
    chain.provider.make_request("evm_setIntervalMining", [0])
    chain.provider.make_request("evm_setAutomine", [True])


@pytest.mark.usefixtures("block_time")
def test_pause__chain_with_a_block_time__is_done_at_the_end(
    scripts: Scripts, deployed: DeployedContracts
) -> None:
    assert "Done: pause" in scripts.succeed("admin", "pause", account=GUARDIAN)
    assert deployed.escrow.areRequestsPaused()


def test_help__of_the_group__lists_commands_by_theme(scripts: Scripts) -> None:
    shown = scripts.succeed("admin", "--help")
    themes = re.findall(r"^(\w[^\n]*):$", shown, flags=re.MULTILINE)
    assert themes == ["Options", VIEWS, MODELS, POLICIES, PLATFORMS, REQUESTS, ROLES]
    assert shown.count("...") == 1  # of the usage line: no text is cut
    assert re.search(r"readmit-platform +Accept the quotes of a denied machine again", shown)


def test_status__of_everything__shows_models_shards_and_money(
    scripts: Scripts, deployed: DeployedContracts, path: tuple[EnrolledShard, EnrolledShard]
) -> None:
    shown = scripts.succeed("admin", "status")
    for fact in (
        "four layers",
        "layers 0-2, entry",
        "layers 2-4",
        "admitted",
        path[0].host.address,
    ):
        assert fact in shown
    assert re.search(r"paused shards +│ 0 ", shown)
    assert re.search(r"four layers\n(     .*\n)*     accepts UpToDate\n", shown)


def test_roles__after_deployment__are_four_with_their_notice(
    scripts: Scripts, deployed: DeployedContracts, roles: Roles
) -> None:
    shown = scripts.succeed("admin", "roles")
    rows = re.findall(r"(\w+) +│ (0x\w{40}) │ ([\w: ]*\w)", shown)
    assert rows == [
        ("ADMIN", roles.admin.address, "1:00:00"),
        ("PUBLISHER", roles.publisher.address, "none"),
        ("NOTICE_GIVER", roles.notice_giver.address, "1:00:00"),
        ("GUARDIAN", roles.guardian.address, "none"),
    ]

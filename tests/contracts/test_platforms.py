# SPDX-License-Identifier: Apache-2.0
"""`ape run admin list-platform`, `unlist-platform`, `deny-platform`, `readmit-platform`; and the
effects of lists and policies on shards.

given a platform that is not listed
    when the notice giver lists it
        it should be announced first, and done after the notice
    when the guardian unlists it
        it should say that it is not listed
given a platform that is listed
    when the notice giver lists it again
        it should say so immediately, not after the notice
    when the guardian unlists it
        it should be done immediately
given a model that does not exist
    it should say so, where the contract does not
given an account without the role
    it should name the missing role
given a policy that accepts only listed platforms
    it should refuse an enclave on another one, and let anyone evict a shard on another one
    when its platform is listed
        it should stay, and enrol
given a denied platform
    it should let anyone evict the shard on it
given a policy with an evaluation number without collateral on chain
    it should pause shards, and resume them with that collateral
given a status that a policy no longer accepts
    it should let anyone evict the shard that has it
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ape
import pytest
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from tee_simulator import SimulatedPki
from teetee.chain.types.shards import ShardStatus
from teetee.protocol.layers import LayerRange
from tests.contracts.collateral import bring_collateral, claims_of
from tests.contracts.conftest import BOND, DELAY
from tests.contracts.deployed import DeployedContracts, Roles
from tests.contracts.enclaves import Enclave
from tests.contracts.enrolment import EnrolledShard, enrol, enrolment_of
from tests.contracts.scripts import Scripts

GIVER, GUARDIAN = Roles.named("notice_giver"), Roles.named("guardian")
STRANGER = Roles.named("stranger")
PLATFORM = "0x" + "55" * 32
PLATFORM_UNWANTED, TCB_STATUS_REFUSED = 2, 4

Shards = tuple[EnrolledShard, EnrolledShard]
Act = Callable[..., str]


@pytest.fixture
def immediately(scripts: Scripts, model_id: int) -> Act:
    """A guardian's change to the model."""

    def immediately(act: str, *more: str) -> str:
        return scripts.succeed("admin", act, "--model", str(model_id), *more, account=GUARDIAN)

    return immediately


@pytest.fixture
def with_notice(scripts: Scripts, model_id: int, chain: ChainManager) -> Act:
    """A notice giver's change to the model, announced and done."""

    def with_notice(act: str, *more: str) -> str:
        called = ["admin", act, "--model", str(model_id), *more]
        assert f"Announced: {act}" in scripts.succeed(*called, account=GIVER)
        wait_for_notice(chain)
        return scripts.succeed(*called, account=GIVER)

    return with_notice


@pytest.fixture
def recheck(
    deployed: DeployedContracts, roles: Roles
) -> Callable[[EnrolledShard], tuple[ShardStatus, list[int]]]:
    """By an account without a role: the shard's status then, and the reasons of an eviction."""

    def recheck(shard: EnrolledShard) -> tuple[ShardStatus, list[int]]:
        claims = shard.claims.to_abi()
        receipt = deployed.registry.recheck(shard.shard_id, claims, sender=roles.stranger)
        reasons = [log.reason for log in receipt.decode_logs(deployed.registry.ShardEvicted)]
        return ShardStatus(deployed.registry.shard(shard.shard_id).status), reasons

    return recheck


def wait_for_notice(chain: ChainManager) -> None:
    chain.mine(timestamp=chain.pending_timestamp + DELAY)


def platform_of(shard: EnrolledShard) -> str:
    return "0x" + shard.claims.platform_id.hex()


# ---------------------------------------------------------------- the lists


def test_list_platform__after_the_notice__is_done(
    scripts: Scripts, deployed: DeployedContracts, chain: ChainManager, model_id: int
) -> None:
    act = ["admin", "list-platform", "--model", str(model_id), PLATFORM]
    assert "Announced: list-platform" in scripts.succeed(*act, account=GIVER)
    assert not deployed.registry.isPlatformListed(model_id, PLATFORM)
    announced = scripts.succeed("admin", "pending")
    assert f"listPlatform(modelId={model_id}, platformId={PLATFORM})" in announced
    assert "listPlatform is announced and can be done from" in scripts.fail(*act, account=GIVER)
    wait_for_notice(chain)
    assert "Done: list-platform" in scripts.succeed(*act, account=GIVER)
    assert deployed.registry.isPlatformListed(model_id, PLATFORM)
    already = f"PlatformAlreadyListed(modelId={model_id}, platformId={PLATFORM})"
    assert already in scripts.fail(*act, account=GIVER)


def test_unlist_platform__listed__is_done_immediately(
    scripts: Scripts, deployed: DeployedContracts, immediately: Act, with_notice: Act, model_id: int
) -> None:
    with_notice("list-platform", PLATFORM)
    assert "Done: unlist-platform" in immediately("unlist-platform", PLATFORM)
    assert not deployed.registry.isPlatformListed(model_id, PLATFORM)


def test_unlist_platform__not_listed__is_refused_with_the_contracts_error(
    scripts: Scripts, deployed: DeployedContracts, model_id: int
) -> None:
    act = ["admin", "unlist-platform", "--model", str(model_id), PLATFORM]
    output = scripts.fail(*act, account=GUARDIAN)
    assert f"PlatformNotListed(modelId={model_id}, platformId={PLATFORM})" in output


def test_list_platform__model_that_does_not_exist__is_named(
    scripts: Scripts, deployed: DeployedContracts
) -> None:
    output = scripts.fail("admin", "list-platform", "--model", "999", PLATFORM, account=GIVER)
    assert "There is no model 999 (UnknownModel)" in output


def test_platform__denied_and_readmitted__takes_notice_one_way_only(
    scripts: Scripts, deployed: DeployedContracts, chain: ChainManager
) -> None:
    deny, readmit = (["admin", f"{act}-platform", PLATFORM] for act in ("deny", "readmit"))
    assert f"PlatformNotDenied(platformId={PLATFORM})" in scripts.fail(*readmit, account=GIVER)
    scripts.succeed(*deny, account=GUARDIAN)
    assert deployed.registry.isPlatformDenied(PLATFORM)
    assert f"PlatformAlreadyDenied(platformId={PLATFORM})" in scripts.fail(*deny, account=GUARDIAN)
    scripts.succeed(*readmit, account=GIVER)
    assert deployed.registry.isPlatformDenied(PLATFORM)
    wait_for_notice(chain)
    scripts.succeed(*readmit, account=GIVER)
    assert not deployed.registry.isPlatformDenied(PLATFORM)


@pytest.mark.parametrize(
    ("act", "function", "role"),
    [
        ("list-platform", "listPlatform", "NOTICE_GIVER"),
        ("unlist-platform", "unlistPlatform", "GUARDIAN"),
        ("deny-platform", "denyPlatform", "GUARDIAN"),
    ],
)
def test_platform__account_without_the_role__is_told_which(
    scripts: Scripts, deployed: DeployedContracts, model_id: int, act: str, function: str, role: str
) -> None:
    model = [] if act == "deny-platform" else ["--model", str(model_id)]
    output = scripts.fail("admin", act, *model, PLATFORM, account=STRANGER)
    assert f"does not hold the role {role}, which {function} needs" in output


# ---------------------------------------------------------------- effects on shards


def test_policy__only_listed_platforms__evicts_a_shard_on_another(
    scripts: Scripts, path: Shards, immediately: Act, with_notice: Act, recheck: Any, model_id: int
) -> None:
    with_notice("list-platform", platform_of(path[0]))
    assert recheck(path[1]) == (ShardStatus.ACTIVE, [])
    immediately("tighten-policy", "--only-listed-platforms")
    shown = scripts.succeed("admin", "policy", "--model", str(model_id))
    assert "Listed platforms (no others count):\n  " + platform_of(path[0]) in shown
    assert f"{platform_of(path[1])}  shard {path[1].shard_id}, not listed" in shown
    assert recheck(path[0]) == (ShardStatus.ACTIVE, [])
    assert recheck(path[1]) == (ShardStatus.EVICTED, [PLATFORM_UNWANTED])
    immediately("unlist-platform", platform_of(path[0]))
    assert recheck(path[0]) == (ShardStatus.EVICTED, [PLATFORM_UNWANTED])


def test_policy__only_listed_platforms__refuses_to_enrol_on_another(
    deployed: DeployedContracts,
    roles: Roles,
    folder: Path,
    pki: SimulatedPki,
    collateral: datetime,
    project: ProjectManager,
    immediately: Act,
    with_notice: Act,
    model_id: int,
) -> None:
    host = roles.last_host
    deployed.token.transfer(host, BOND, sender=roles.treasury)
    spare = Enclave.start(folder, "unlisted", pki, LayerRange(2, 4))
    enrolment = enrolment_of(deployed, spare, host, model_id)
    platform = claims_of(enrolment.quote).platform_id
    immediately("tighten-policy", "--only-listed-platforms")
    with ape.reverts(project.ShardRegistry.PlatformIsDenied, platformId=platform):
        enrol(deployed, spare, host, enrolment)
    with_notice("list-platform", "0x" + platform.hex())
    enrolled = enrol(deployed, spare, host, enrolment)
    assert deployed.registry.isActive(enrolled.shard_id)


def test_deny_platform__of_a_shard__lets_anyone_evict_it(
    scripts: Scripts, path: Shards, recheck: Any, model_id: int
) -> None:
    scripts.succeed("admin", "deny-platform", platform_of(path[0]), account=GUARDIAN)
    shown = scripts.succeed("admin", "policy", "--model", str(model_id))
    assert f"{platform_of(path[0])}  shard {path[0].shard_id}, denied" in shown
    assert recheck(path[0]) == (ShardStatus.EVICTED, [PLATFORM_UNWANTED])
    assert recheck(path[1]) == (ShardStatus.ACTIVE, [])


def test_policy__number_without_collateral__pauses_until_it_is_uploaded(
    scripts: Scripts,
    deployed: DeployedContracts,
    roles: Roles,
    pki: SimulatedPki,
    path: Shards,
    collateral: datetime,
    chain: ChainManager,
    immediately: Act,
    recheck: Any,
) -> None:
    immediately("tighten-policy", "--minimum-evaluation-number", "21")
    assert recheck(path[0]) == (ShardStatus.PAUSED, [])
    shown = scripts.succeed("admin", "status")
    assert "PAUSED" in shown
    assert "accepts UpToDate, from 21\n" in shown
    assert any("paused shards" in line and " 1 " in line for line in shown.splitlines())
    now = datetime.fromtimestamp(chain.pending_timestamp, UTC)
    bring_collateral(deployed, pki, roles.stranger, now, collateral, evaluation_number=21)
    assert recheck(path[0]) == (ShardStatus.ACTIVE, [])


def test_policy__status_no_longer_accepted__evicts_its_shards(
    deployed: DeployedContracts,
    roles: Roles,
    pki: SimulatedPki,
    path: Shards,
    collateral: datetime,
    chain: ChainManager,
    immediately: Act,
    with_notice: Act,
    recheck: Any,
) -> None:
    with_notice("set-policy", "--accept", "UpToDate", "--accept", "OutOfDate")
    now = datetime.fromtimestamp(chain.pending_timestamp, UTC)
    bring_collateral(deployed, pki, roles.stranger, now, collateral, platform_status="OutOfDate")
    assert recheck(path[0]) == (ShardStatus.ACTIVE, [])
    immediately("tighten-policy", "--accept", "UpToDate")
    assert recheck(path[0]) == (ShardStatus.EVICTED, [TCB_STATUS_REFUSED])

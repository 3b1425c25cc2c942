# SPDX-License-Identifier: Apache-2.0
"""`ape run admin list-platform`, `unlist-platform`, `deny-platform`, `readmit-platform`; and what
becomes of shards when lists and policies change.

given a platform that is not listed
    when the notice giver lists it
        it should be announced first, and done after the notice
    when the guardian unlists it
        it should be told that it is not listed
given a platform that is listed
    when the notice giver lists it again
        it should be told at once, not after the notice
    when the guardian unlists it
        it should be done at once
given a model that does not exist
    it should say so, where the contract would not
given an account without the role
    it should be told which role it lacks
given a policy that wants listed platforms
    it should refuse an enclave on another, and let anybody evict a shard on another
    when its platform is listed
        it should stay, and enrol
given a denied platform
    it should let anybody evict the shard on it
given a policy with an evaluation number whose collateral nobody has brought
    it should pause shards, and have them back with that collateral
given a status that a policy no longer accepts
    it should let anybody evict the shard that has it
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ape
import pytest
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from tee_simulator import TestPki
from teetee.chain.types.shards import ShardStatus
from teetee.protocol.layers import LayerRange
from tests.contracts.collateral import bring_collateral, claims_of
from tests.contracts.conftest import BOND, DELAY, Cast, House
from tests.contracts.enclaves import Enclave
from tests.contracts.enrolment import EnrolledShard, enrol, enrolment_of
from tests.contracts.scripts import Scripts

GIVER, GUARDIAN = Cast.named("notice_giver"), Cast.named("guardian")
STRANGER = Cast.named("stranger")
PLATFORM = "0x" + "55" * 32
PLATFORM_UNWANTED, TCB_STATUS_REFUSED = 2, 4

Shards = tuple[EnrolledShard, EnrolledShard]
Act = Callable[..., str]


@pytest.fixture
def at_once(scripts: Scripts, model_id: int) -> Act:
    """A guardian's act on the model."""

    def at_once(act: str, *more: str) -> str:
        return scripts.succeed("admin", act, "--model", str(model_id), *more, account=GUARDIAN)

    return at_once


@pytest.fixture
def with_notice(scripts: Scripts, model_id: int, chain: ChainManager) -> Act:
    """A notice giver's act on the model, announced and done."""

    def with_notice(act: str, *more: str) -> str:
        called = ["admin", act, "--model", str(model_id), *more]
        assert f"Announced: {act}" in scripts.succeed(*called, account=GIVER)
        wait_for_notice(chain)
        return scripts.succeed(*called, account=GIVER)

    return with_notice


@pytest.fixture
def recheck(house: House, cast: Cast) -> Callable[[EnrolledShard], tuple[ShardStatus, list[int]]]:
    """By somebody without a role: what the shard is then, and why it was evicted."""

    def recheck(shard: EnrolledShard) -> tuple[ShardStatus, list[int]]:
        claims = shard.claims.as_solidity()
        receipt = house.registry.recheck(shard.shard_id, claims, sender=cast.stranger)
        reasons = [log.reason for log in receipt.decode_logs(house.registry.ShardEvicted)]
        return ShardStatus(house.registry.shard(shard.shard_id).status), reasons

    return recheck


def wait_for_notice(chain: ChainManager) -> None:
    chain.mine(timestamp=chain.pending_timestamp + DELAY)


def platform_of(shard: EnrolledShard) -> str:
    return "0x" + shard.claims.platform_id.hex()


# ---------------------------------------------------------------- the lists


def test_list_platform__after_the_notice__is_done(
    scripts: Scripts, house: House, chain: ChainManager, model_id: int
) -> None:
    act = ["admin", "list-platform", "--model", str(model_id), PLATFORM]
    assert "Announced: list-platform" in scripts.succeed(*act, account=GIVER)
    assert not house.registry.isPlatformListed(model_id, PLATFORM)
    announced = scripts.succeed("admin", "pending")
    assert f"listPlatform(modelId={model_id}, platformId={PLATFORM})" in announced
    assert "listPlatform is announced and can be done from" in scripts.fail(*act, account=GIVER)
    wait_for_notice(chain)
    assert "Done: list-platform" in scripts.succeed(*act, account=GIVER)
    assert house.registry.isPlatformListed(model_id, PLATFORM)
    already = f"PlatformAlreadyListed(modelId={model_id}, platformId={PLATFORM})"
    assert already in scripts.fail(*act, account=GIVER)


def test_unlist_platform__listed__is_done_at_once(
    scripts: Scripts, house: House, at_once: Act, with_notice: Act, model_id: int
) -> None:
    with_notice("list-platform", PLATFORM)
    assert "Done: unlist-platform" in at_once("unlist-platform", PLATFORM)
    assert not house.registry.isPlatformListed(model_id, PLATFORM)


def test_unlist_platform__not_listed__is_refused_in_the_contracts_words(
    scripts: Scripts, house: House, model_id: int
) -> None:
    act = ["admin", "unlist-platform", "--model", str(model_id), PLATFORM]
    said = scripts.fail(*act, account=GUARDIAN)
    assert f"PlatformNotListed(modelId={model_id}, platformId={PLATFORM})" in said


def test_list_platform__model_that_does_not_exist__is_named(scripts: Scripts, house: House) -> None:
    said = scripts.fail("admin", "list-platform", "--model", "999", PLATFORM, account=GIVER)
    assert "UnknownModel(modelId=999)" in said


def test_platform__denied_and_readmitted__takes_notice_one_way_only(
    scripts: Scripts, house: House, chain: ChainManager
) -> None:
    deny, readmit = (["admin", f"{act}-platform", PLATFORM] for act in ("deny", "readmit"))
    assert f"PlatformNotDenied(platformId={PLATFORM})" in scripts.fail(*readmit, account=GIVER)
    scripts.succeed(*deny, account=GUARDIAN)
    assert house.registry.isPlatformDenied(PLATFORM)
    assert f"PlatformAlreadyDenied(platformId={PLATFORM})" in scripts.fail(*deny, account=GUARDIAN)
    scripts.succeed(*readmit, account=GIVER)
    assert house.registry.isPlatformDenied(PLATFORM)
    wait_for_notice(chain)
    scripts.succeed(*readmit, account=GIVER)
    assert not house.registry.isPlatformDenied(PLATFORM)


@pytest.mark.parametrize(
    ("act", "function", "role"),
    [
        ("list-platform", "listPlatform", "NOTICE_GIVER"),
        ("unlist-platform", "unlistPlatform", "GUARDIAN"),
        ("deny-platform", "denyPlatform", "GUARDIAN"),
    ],
)
def test_platform__account_without_the_role__is_told_which(
    scripts: Scripts, house: House, model_id: int, act: str, function: str, role: str
) -> None:
    model = [] if act == "deny-platform" else ["--model", str(model_id)]
    said = scripts.fail("admin", act, *model, PLATFORM, account=STRANGER)
    assert f"does not hold the role {role}, which {function} needs" in said


# ---------------------------------------------------------------- what becomes of shards


def test_policy__only_listed_platforms__evicts_who_is_on_another(
    scripts: Scripts, path: Shards, at_once: Act, with_notice: Act, recheck: Any, model_id: int
) -> None:
    with_notice("list-platform", platform_of(path[0]))
    assert recheck(path[1]) == (ShardStatus.ACTIVE, [])
    at_once("tighten-policy", "--only-listed-platforms")
    shown = scripts.succeed("admin", "policy", "--model", str(model_id))
    assert "Listed platforms (no other counts):\n  " + platform_of(path[0]) in shown
    assert f"{platform_of(path[1])}  shard {path[1].shard_id}, not listed" in shown
    assert recheck(path[0]) == (ShardStatus.ACTIVE, [])
    assert recheck(path[1]) == (ShardStatus.EVICTED, [PLATFORM_UNWANTED])
    at_once("unlist-platform", platform_of(path[0]))
    assert recheck(path[0]) == (ShardStatus.EVICTED, [PLATFORM_UNWANTED])


def test_policy__only_listed_platforms__refuses_to_enrol_on_another(
    house: House,
    cast: Cast,
    folder: Path,
    pki: TestPki,
    collateral: datetime,
    project: ProjectManager,
    at_once: Act,
    with_notice: Act,
    model_id: int,
) -> None:
    host = cast.last_host
    house.token.transfer(host, BOND, sender=cast.treasury)
    spare = Enclave.start(folder, "unlisted", pki, LayerRange(2, 4))
    enrolment = enrolment_of(house, spare, host, model_id)
    platform = claims_of(enrolment.quote).platform_id
    at_once("tighten-policy", "--only-listed-platforms")
    with ape.reverts(project.ShardRegistry.PlatformIsDenied, platformId=platform):
        enrol(house, spare, host, enrolment)
    with_notice("list-platform", "0x" + platform.hex())
    enrolled = enrol(house, spare, host, enrolment)
    assert house.registry.isActive(enrolled.shard_id)


def test_deny_platform__of_a_shard__lets_anybody_evict_it(
    scripts: Scripts, path: Shards, recheck: Any, model_id: int
) -> None:
    scripts.succeed("admin", "deny-platform", platform_of(path[0]), account=GUARDIAN)
    shown = scripts.succeed("admin", "policy", "--model", str(model_id))
    assert f"{platform_of(path[0])}  shard {path[0].shard_id}, denied" in shown
    assert recheck(path[0]) == (ShardStatus.EVICTED, [PLATFORM_UNWANTED])
    assert recheck(path[1]) == (ShardStatus.ACTIVE, [])


def test_policy__number_that_nobody_has_brought__pauses_until_somebody_does(
    scripts: Scripts,
    house: House,
    cast: Cast,
    pki: TestPki,
    path: Shards,
    collateral: datetime,
    chain: ChainManager,
    at_once: Act,
    recheck: Any,
) -> None:
    at_once("tighten-policy", "--minimum-evaluation-number", "21")
    assert recheck(path[0]) == (ShardStatus.PAUSED, [])
    shown = scripts.succeed("admin", "status")
    assert "PAUSED" in shown
    assert " UpToDate, from 21 " in shown
    assert any("paused shards" in line and " 1 " in line for line in shown.splitlines())
    now = datetime.fromtimestamp(chain.pending_timestamp, UTC)
    bring_collateral(house, pki, cast.stranger, now, collateral, evaluation_number=21)
    assert recheck(path[0]) == (ShardStatus.ACTIVE, [])


def test_policy__status_no_longer_accepted__evicts_who_has_it(
    house: House,
    cast: Cast,
    pki: TestPki,
    path: Shards,
    collateral: datetime,
    chain: ChainManager,
    at_once: Act,
    with_notice: Act,
    recheck: Any,
) -> None:
    with_notice("set-policy", "--accept", "UpToDate", "--accept", "OutOfDate")
    now = datetime.fromtimestamp(chain.pending_timestamp, UTC)
    bring_collateral(house, pki, cast.stranger, now, collateral, platform_status="OutOfDate")
    assert recheck(path[0]) == (ShardStatus.ACTIVE, [])
    at_once("tighten-policy", "--accept", "UpToDate")
    assert recheck(path[0]) == (ShardStatus.EVICTED, [TCB_STATUS_REFUSED])

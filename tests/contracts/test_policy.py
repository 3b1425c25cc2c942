# SPDX-License-Identifier: Apache-2.0
"""`ape run admin policy`, `tighten-policy`, `set-policy`

given a new model
    it should show its policy by Intel's and the processor's names, and the lists beside it
given a model that does not exist
    it should say so, for each command
given fields that ask for more
    when the guardian tightens
        it should change these fields at once and no others, and say from what to what
    when an account without the role tightens
        it should be told which role it lacks
    when the notice giver sets them
        it should be told that tightening would do it at once
given a field that asks for less
    when the guardian tightens
        it should be told which field, and what does that; the contract refuses it as well
    when the notice giver sets it
        it should be announced first, and done after the notice
        when another field was tightened meanwhile
            it should announce anew, and name the older announcement
            when the command has waited for the notice
                it should not do what it had announced
given a field as it is already, or none
    it should say so, and send nothing
given a status that no policy can accept, or none of Intel's
    it should say so
"""

import re
import time
from dataclasses import replace
from threading import Thread
from typing import Any

import ape
import pytest
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager
from eth_utils.conversions import to_hex
from web3 import HTTPProvider

from teetee.chain.types.policies import AttestationPolicy
from teetee.quotes.tcb_status import TcbStatus
from tests.contracts.conftest import DELAY, Cast, House
from tests.contracts.enrolment import EnrolledShard
from tests.contracts.scripts import Scripts

GIVER, GUARDIAN = Cast.named("notice_giver"), Cast.named("guardian")
STRANGER = Cast.named("stranger")
TD_ATTRIBUTES, XFAM = "000000d000000080", "e71a060000000000"

# option → field, value as stored, how it is told; each asks for more than a new model does
STRICTER: dict[str, tuple[list[str], str, Any, str]] = {
    "evaluation number": (
        ["--minimum-evaluation-number", "20"],
        "minimum_evaluation_number",
        20,
        "minimum evaluation number: any → 20",
    ),
    "age of collateral": (
        ["--max-collateral-age", "7d"],
        "max_collateral_age",
        604_800,
        "oldest collateral: until its own end → 7 days",
    ),
    "TD attributes": (
        ["--td-attributes", "0x0000001000000000"],
        "allowed_td_attributes",
        bytes.fromhex("0000001000000000"),
        "KL, PERFMON) → 0x0000001000000000 (SEPT_VE_DISABLE)",
    ),
    "features": (
        ["--xfam", "0x0300000000000000"],
        "allowed_xfam",
        bytes.fromhex("0300000000000000"),
        "→ 0x0300000000000000 (x87, SSE)",
    ),
    "listed platforms": (
        ["--only-listed-platforms"],
        "only_listed_platforms",
        True,
        "platforms: any → listed ones alone",
    ),
    "hosts": (["--min-hosts", "2"], "min_hosts", 2, "different hosts in a path: 1 → 2"),
    "platforms": (
        ["--min-platforms", "2"],
        "min_platforms",
        2,
        "different platforms in a path: 1 → 2",
    ),
}
# what takes these back, how that is told, and the value as stored
LOOSER: dict[str, tuple[list[str], str, Any]] = {
    "evaluation number": (
        ["--minimum-evaluation-number", "19"],
        "minimum evaluation number: 20 → 19",
        19,
    ),
    "age of collateral": (
        ["--max-collateral-age", "0"],
        "oldest collateral: 7 days → until its own end",
        0,
    ),
    "TD attributes": (
        ["--td-attributes", "0x0000005000000000"],
        "(SEPT_VE_DISABLE) → 0x0000005000000000 (SEPT_VE_DISABLE, PKS)",
        bytes.fromhex("0000005000000000"),
    ),
    "features": (
        ["--xfam", "0x0700000000000000"],
        "XFAM: 0x0300000000000000 (x87, SSE) → 0x0700000000000000 (x87, SSE, AVX)",
        bytes.fromhex("0700000000000000"),
    ),
    "listed platforms": (["--any-platform"], "platforms: listed ones alone → any", False),
    "hosts": (["--min-hosts", "1"], "different hosts in a path: 2 → 1", 1),
    "platforms": (["--min-platforms", "1"], "different platforms in a path: 2 → 1", 1),
}


def stored(house: House, model_id: int) -> AttestationPolicy:
    return AttestationPolicy.of(house.registry.policyOf(model_id))


def tighten(model_id: int, *named: str) -> list[str]:
    return ["admin", "tighten-policy", "--model", str(model_id), *named]


def set_policy(model_id: int, *named: str) -> list[str]:
    return ["admin", "set-policy", "--model", str(model_id), *named]


def wait_for_notice(chain: ChainManager) -> None:
    chain.mine(timestamp=chain.pending_timestamp + DELAY)


# ---------------------------------------------------------------- looking


def test_policy__of_a_new_model__is_told_by_names(
    scripts: Scripts, house: House, path: tuple[EnrolledShard, EnrolledShard], model_id: int
) -> None:
    shown = scripts.succeed("admin", "policy", "--model", str(model_id))
    rows = dict(re.findall(r"│ (\S.*?) +│ (\S.*?) +│", shown))
    assert rows == {
        "accepted statuses": "UpToDate",
        "minimum evaluation number": "any",
        "oldest collateral": "until its own end",
        "TD attributes": f"0x{TD_ATTRIBUTES} (SEPT_VE_DISABLE, PKS, KL, PERFMON)",
        "XFAM": f"0x{XFAM} (x87, SSE, AVX, AVX-512 opmask, AVX-512 ZMM_Hi256, AVX-512 Hi16_ZMM, "
        "PKRU, CET user, CET supervisor, AMX tile configuration, AMX tile data)",
        "platforms": "any",
        "different hosts in a path": "1",
        "different platforms in a path": "1",
    }


def test_policy__lists__are_those_that_hold_now(
    scripts: Scripts,
    house: House,
    cast: Cast,
    path: tuple[EnrolledShard, EnrolledShard],
    model_id: int,
    chain: ChainManager,
) -> None:
    denied, readmitted, listed, unlisted = (bytes([n]) * 32 for n in range(1, 5))
    for platform in (denied, readmitted):
        house.registry.denyPlatform(platform, sender=cast.guardian)
    acts = [house.registry.readmitPlatform.encode_input(readmitted)]
    acts += [house.registry.listPlatform.encode_input(model_id, p) for p in (listed, unlisted)]
    for act in acts:
        house.manager.schedule(house.registry, act, 0, sender=cast.notice_giver)
    wait_for_notice(chain)
    for act in acts:
        house.manager.execute(house.registry, act, sender=cast.notice_giver)
    house.registry.unlistPlatform(model_id, unlisted, sender=cast.guardian)

    shown = scripts.succeed("admin", "policy", "--model", str(model_id))
    _, measurements, denials, listings, used = re.split(
        r"^Allowed measurements:|^Denied platforms, for all models:"
        r"|^Listed platforms \(others count as well\):|^Platforms of its shards:",
        shown,
        flags=re.MULTILINE,
    )
    assert re.findall("0x[0-9a-f]{64}", measurements) == ["0x" + path[0].enclave.measurement.hex()]
    assert re.findall("0x[0-9a-f]{64}", denials) == ["0x" + denied.hex()]
    assert re.findall("0x[0-9a-f]{64}", listings) == ["0x" + listed.hex()]
    assert re.findall(r"(0x[0-9a-f]{64})  shard (\d+)$", used, flags=re.MULTILINE) == [
        ("0x" + shard.claims.platform_id.hex(), str(shard.shard_id)) for shard in path
    ]


@pytest.mark.parametrize("command", ["policy", "tighten-policy", "set-policy"])
def test_policy__model_that_does_not_exist__is_named(
    scripts: Scripts, house: House, command: str
) -> None:
    change = [] if command == "policy" else ["--min-hosts", "2"]
    said = scripts.fail("admin", command, "--model", "999", *change)
    assert "UnknownModel(modelId=999)" in said


# ---------------------------------------------------------------- asking for more


@pytest.mark.parametrize("field", STRICTER)
def test_tighten_policy__one_field__is_changed_at_once_and_no_other(
    scripts: Scripts, house: House, model_id: int, field: str
) -> None:
    named, name, value, told = STRICTER[field]
    before = stored(house, model_id)
    said = scripts.succeed(*tighten(model_id, *named), account=GUARDIAN)
    assert told in said
    assert said.count("→") == 1
    assert "Done: tighten-policy" in said
    after = stored(house, model_id)
    assert getattr(after, name) == value
    others = set(AttestationPolicy.__dataclass_fields__) - {name}
    assert all(getattr(after, other) == getattr(before, other) for other in others)


@pytest.mark.parametrize("field", LOOSER)
def test_tighten_policy__one_field_looser__names_it_and_what_does_that(
    scripts: Scripts,
    house: House,
    cast: Cast,
    model_id: int,
    project: ProjectManager,
    field: str,
) -> None:
    named, told, _ = LOOSER[field]
    scripts.succeed(*tighten(model_id, *STRICTER[field][0]), account=GUARDIAN)
    before, nonce = stored(house, model_id), cast.guardian.nonce
    # together with another field that does ask for more
    more = ["--accept", "UpToDate", "--min-hosts", "3"] if field != "hosts" else []
    said = scripts.fail(*tighten(model_id, *named, *more), account=GUARDIAN)
    assert re.search(
        f"That asks for less: [^;]*{re.escape(told)}. tighten-policy acts at once", said
    )
    assert "`ape run admin set-policy` does both, with notice. Nothing was sent." in said
    assert (stored(house, model_id), cast.guardian.nonce) == (before, nonce)
    # and the contract is of the same opinion
    name, value = STRICTER[field][1], LOOSER[field][2]
    looser = replace(before, **{name: value}).as_solidity()
    with ape.reverts(project.ShardRegistry.NotATightening, modelId=model_id):
        house.registry.tightenPolicy(model_id, looser, sender=cast.guardian)


def test_tighten_policy__fewer_statuses__is_done_and_more_are_refused(
    scripts: Scripts, house: House, model_id: int, chain: ChainManager
) -> None:
    wider = ["--accept", "uptodate", "--accept", "SWHardeningNeeded", "--accept", "OutOfDate"]
    scripts.succeed(*set_policy(model_id, *wider), account=GIVER)
    wait_for_notice(chain)
    scripts.succeed(*set_policy(model_id, *wider), account=GIVER)
    fewer = ["--accept", "UpToDate", "--accept", "SWHardeningNeeded"]
    said = scripts.succeed(*tighten(model_id, *fewer), account=GUARDIAN)
    assert (
        "accepted statuses: UpToDate, SWHardeningNeeded, OutOfDate → UpToDate, SWHardeningNeeded"
        in said
    )
    assert stored(house, model_id).accepted == {
        TcbStatus.UP_TO_DATE,
        TcbStatus.SW_HARDENING_NEEDED,
    }
    other = ["--accept", "UpToDate", "--accept", "OutOfDate"]
    refused = scripts.fail(*tighten(model_id, *other), account=GUARDIAN)
    assert (
        "That asks for less: accepted statuses: UpToDate, SWHardeningNeeded → UpToDate, OutOfDate"
        in refused
    )


@pytest.mark.parametrize("command", ["tighten-policy", "set-policy"])
def test_policy__account_without_the_role__is_told_which(
    scripts: Scripts, house: House, model_id: int, command: str
) -> None:
    role = "GUARDIAN" if command == "tighten-policy" else "NOTICE_GIVER"
    act = ["admin", command, "--model", str(model_id), "--min-hosts", "2"]
    assert f"does not hold the role {role}, which" in scripts.fail(*act, account=STRANGER)


# ---------------------------------------------------------------- with notice


def test_set_policy__after_the_notice__is_done(
    scripts: Scripts, house: House, model_id: int, chain: ChainManager
) -> None:
    act = set_policy(model_id, "--accept", "UpToDate", "--accept", "ConfigurationNeeded")
    told = "accepted statuses: UpToDate → UpToDate, ConfigurationNeeded"
    before = stored(house, model_id)
    said = scripts.succeed(*act, account=GIVER)
    assert told in said
    assert "Announced: set-policy" in said
    assert stored(house, model_id) == before
    assert f"setPolicy(modelId={model_id}; {told})" in scripts.succeed("admin", "pending")
    assert "setPolicy is announced and can be done from" in scripts.fail(*act, account=GIVER)
    wait_for_notice(chain)
    assert "Done: set-policy" in scripts.succeed(*act, account=GIVER)
    assert stored(house, model_id).accepted == {
        TcbStatus.UP_TO_DATE,
        TcbStatus.CONFIGURATION_NEEDED,
    }


def test_set_policy__nothing_looser__says_what_would_do_it_at_once(
    scripts: Scripts, house: House, model_id: int
) -> None:
    said = scripts.succeed(*set_policy(model_id, "--min-hosts", "2"), account=GIVER)
    assert "None of it is looser: `tighten-policy` would do it at once." in said
    assert "Announced: set-policy" in said


def test_set_policy__tightened_meanwhile__announces_anew_and_names_the_older(
    scripts: Scripts, house: House, model_id: int, chain: ChainManager
) -> None:
    act = set_policy(model_id, "--accept", "UpToDate", "--accept", "OutOfDate")
    scripts.succeed(*act, account=GIVER)
    (older,) = re.findall(r"operation +(0x\w{64})", scripts.succeed("admin", "pending"))
    scripts.succeed(*tighten(model_id, "--min-hosts", "2"), account=GUARDIAN)
    wait_for_notice(chain)
    said = scripts.succeed(*act, account=GIVER)
    assert "Announced: set-policy" in said
    # which would take the tightening back
    assert "different hosts in a path: 2 → 1)" in said
    assert f"ape run admin cancel {older}" in said
    assert stored(house, model_id).min_hosts == 2
    wait_for_notice(chain)
    scripts.succeed(*act, account=GIVER)
    assert stored(house, model_id).min_hosts == 2
    assert TcbStatus.OUT_OF_DATE in stored(house, model_id).accepted


class Meanwhile(Thread):
    """Once the next transaction is in, somebody sends another, and the notice passes."""

    def __init__(self, chain: ChainManager, sent: dict[str, str] | None) -> None:
        super().__init__(daemon=True)
        self._node = HTTPProvider(chain.provider.uri)
        self._head, self._sent = self._ask("eth_blockNumber"), sent
        self._after = chain.pending_timestamp + DELAY + 1

    def run(self) -> None:
        while self._ask("eth_blockNumber") == self._head:
            time.sleep(0.05)  # there is nothing to wait on: the command is another thread's
        if self._sent is not None:
            self._ask("eth_sendTransaction", self._sent)
        self._ask("evm_setNextBlockTimestamp", self._after)
        self._ask("evm_mine")

    def _ask(self, method: str, *parameters: Any) -> Any:
        answer = self._node.make_request(method, list(parameters))  # type: ignore[arg-type]
        return answer["result"]


def test_set_policy__waiting__is_announced_and_done_in_one_go(
    scripts: Scripts, house: House, model_id: int, chain: ChainManager
) -> None:
    act = set_policy(model_id, "--accept", "UpToDate", "--accept", "OutOfDate", "--wait")
    Meanwhile(chain, None).start()
    assert "Done: set-policy" in scripts.succeed(*act, account=GIVER)
    assert TcbStatus.OUT_OF_DATE in stored(house, model_id).accepted


def test_set_policy__tightened_while_it_waits__is_not_done(
    scripts: Scripts, house: House, cast: Cast, model_id: int, chain: ChainManager
) -> None:
    tighter = replace(stored(house, model_id), min_hosts=2)
    data = house.registry.tightenPolicy.encode_input(model_id, tighter.as_solidity())
    tightening = {"from": cast.guardian.address, "to": house.registry.address, "data": to_hex(data)}
    Meanwhile(chain, tightening).start()
    act = set_policy(model_id, "--accept", "UpToDate", "--accept", "OutOfDate", "--wait")
    said = scripts.fail(*act, account=GIVER)
    assert f"Somebody changed the policy of model {model_id} during the notice" in said
    assert stored(house, model_id) == tighter


# ---------------------------------------------------------------- nothing, or nonsense


@pytest.mark.parametrize(
    "named",
    [
        ["--accept", "UpToDate"],
        ["--min-hosts", "1", "--min-platforms", "1"],
        ["--any-platform", "--max-collateral-age", "0"],
        ["--xfam", "0x" + XFAM.upper()],
    ],
    ids=["status", "counts of one, stored as zero", "nothing asked for", "mask in capitals"],
)
def test_policy__as_it_is__says_so_and_sends_nothing(
    scripts: Scripts, house: House, cast: Cast, model_id: int, named: list[str]
) -> None:
    nonces = cast.guardian.nonce, cast.notice_giver.nonce
    for act, account in ((tighten, GUARDIAN), (set_policy, GIVER)):
        said = scripts.succeed(*act(model_id, *named), account=account)
        assert f"Nothing changes: model {model_id} asks for just that. Nothing was sent." in said
    assert (cast.guardian.nonce, cast.notice_giver.nonce) == nonces


def test_policy__no_field__says_how_to_name_one(
    scripts: Scripts, house: House, model_id: int
) -> None:
    result = scripts.run(*tighten(model_id), account=GUARDIAN)
    assert result.exit_code == 2
    assert "Name what is to change, as --accept or --max-collateral-age." in result.output


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        (["--accept", "Revoked"], "Revoked can be accepted by no policy"),
        (["--accept", "NOT_SUPPORTED"], "NotSupported can be accepted by no policy"),
        (["--accept", "UNCHECKED"], "Unchecked can be accepted by no policy"),
        (["--accept", "Fine"], "'Fine' is no status of Intel's: UpToDate, SWHardeningNeeded"),
        (["--xfam", "0xe7"], "'0xe7' is not 0x and 16 hexadecimal digits."),
        (["--max-collateral-age", "a week"], "'a week' is no duration"),
        (["--max-collateral-age", "49711d"], "is more than the 136 years which a contract holds."),
        (["--minimum-evaluation-number", "256"], "256 is not in the range 0<=x<=255."),
        (["--min-platforms", "0"], "0 is not in the range 1<=x<=255."),
    ],
)
def test_policy__value_that_no_policy_has__is_explained(
    scripts: Scripts, house: House, model_id: int, named: list[str], complaint: str
) -> None:
    result = scripts.run(*set_policy(model_id, *named), account=GIVER)
    assert result.exit_code == 2
    assert complaint in result.output


def test_tighten_policy__statuses_no_policy_has__are_refused_by_the_contract_too(
    house: House, cast: Cast, model_id: int, project: ProjectManager, chain: ChainManager
) -> None:
    revoked = 1 << TcbStatus.REVOKED.value
    policy = list(stored(house, model_id).as_solidity())
    policy[0] = revoked
    act = house.registry.setPolicy.encode_input(model_id, tuple(policy))
    house.manager.schedule(house.registry, act, 0, sender=cast.notice_giver)
    wait_for_notice(chain)
    error = project.ShardRegistry.PolicyInvalid
    with ape.reverts(error, acceptedStatuses=revoked, minimumEvaluationNumber=0):
        house.registry.setPolicy(model_id, tuple(policy), sender=cast.notice_giver)

# SPDX-License-Identifier: Apache-2.0
"""`ape run admin policy`, `tighten-policy`, `set-policy`

given a new model
    it should show its policy by Intel's and the processor's names, and the lists beside it
given a model that does not exist
    it should say so, for each command
given fields that ask for more
    when the guardian tightens
        it should change these fields immediately and no others, and print both values
    when an account without the role tightens
        it should name the missing role
    when the notice giver sets them
        it should say that tightening would do it immediately
given a field that asks for less
    when the guardian tightens
        it should name the field and the right command; the contract refuses it as well
    when the notice giver sets it
        it should be announced first, and done after the notice
        when another field was tightened meanwhile
            it should announce again, and name the older announcement
            when the command waits for the notice
                it should not do what it announced
given the present value of a field, or no field
    it should say so, and send nothing
given a status that no policy can accept, or an unknown one
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
from tests.contracts.conftest import DELAY
from tests.contracts.deployed import DeployedContracts, Roles
from tests.contracts.enrolment import EnrolledShard
from tests.contracts.policy_changes import LOOSER, STRICTER
from tests.contracts.scripts import Scripts

GIVER, GUARDIAN = Roles.named("notice_giver"), Roles.named("guardian")
STRANGER = Roles.named("stranger")
TD_ATTRIBUTES, XFAM = "000000d000000080", "e71a060000000000"


def stored(deployed: DeployedContracts, model_id: int) -> AttestationPolicy:
    return AttestationPolicy.from_struct(deployed.registry.policyOf(model_id))


def tighten(model_id: int, *named: str) -> list[str]:
    return ["admin", "tighten-policy", "--model", str(model_id), *named]


def set_policy(model_id: int, *named: str) -> list[str]:
    return ["admin", "set-policy", "--model", str(model_id), *named]


def wait_for_notice(chain: ChainManager) -> None:
    chain.mine(timestamp=chain.pending_timestamp + DELAY)


# ---------------------------------------------------------------- views


def test_policy__of_a_new_model__is_shown_by_names(
    scripts: Scripts,
    deployed: DeployedContracts,
    path: tuple[EnrolledShard, EnrolledShard],
    model_id: int,
) -> None:
    shown = scripts.succeed("admin", "policy", "--model", str(model_id))
    rows = dict(re.findall(r"│ (\S.*?) +│ (\S.*?) +│", shown))
    assert rows == {
        "accepted statuses": "UpToDate",
        "minimum evaluation number": "any",
        "maximum collateral age": "until it expires",
        "TD attributes": f"0x{TD_ATTRIBUTES} (SEPT_VE_DISABLE, PKS, KL, PERFMON)",
        "XFAM": f"0x{XFAM} (x87, SSE, AVX, AVX-512 opmask, AVX-512 ZMM_Hi256, AVX-512 Hi16_ZMM, "
        "PKRU, CET user, CET supervisor, AMX tile configuration, AMX tile data)",
        "platforms": "any",
        "different hosts in a path": "1",
        "different platforms in a path": "1",
    }


def test_policy__lists__are_those_that_hold_now(
    scripts: Scripts,
    deployed: DeployedContracts,
    roles: Roles,
    path: tuple[EnrolledShard, EnrolledShard],
    model_id: int,
    chain: ChainManager,
) -> None:
    denied, readmitted, listed, unlisted = (bytes([n]) * 32 for n in range(1, 5))
    for platform in (denied, readmitted):
        deployed.registry.denyPlatform(platform, sender=roles.guardian)
    acts = [deployed.registry.readmitPlatform.encode_input(readmitted)]
    acts += [deployed.registry.listPlatform.encode_input(model_id, p) for p in (listed, unlisted)]
    for act in acts:
        deployed.manager.schedule(deployed.registry, act, 0, sender=roles.notice_giver)
    wait_for_notice(chain)
    for act in acts:
        deployed.manager.execute(deployed.registry, act, sender=roles.notice_giver)
    deployed.registry.unlistPlatform(model_id, unlisted, sender=roles.guardian)

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
    scripts: Scripts, deployed: DeployedContracts, command: str
) -> None:
    change = [] if command == "policy" else ["--min-hosts", "2"]
    output = scripts.fail("admin", command, "--model", "999", *change)
    assert "There is no model 999 (UnknownModel)" in output


# ---------------------------------------------------------------- tightening


@pytest.mark.parametrize("field", STRICTER)
def test_tighten_policy__one_field__is_changed_immediately_and_no_other(
    scripts: Scripts, deployed: DeployedContracts, model_id: int, field: str
) -> None:
    named, name, value, text = STRICTER[field]
    before = stored(deployed, model_id)
    output = scripts.succeed(*tighten(model_id, *named), account=GUARDIAN)
    assert text in output
    assert output.count("→") == 1
    assert "Done: tighten-policy" in output
    after = stored(deployed, model_id)
    assert getattr(after, name) == value
    others = set(AttestationPolicy.__dataclass_fields__) - {name}
    assert all(getattr(after, other) == getattr(before, other) for other in others)


@pytest.mark.parametrize("field", LOOSER)
def test_tighten_policy__one_field_looser__names_it_and_the_right_command(
    scripts: Scripts,
    deployed: DeployedContracts,
    roles: Roles,
    model_id: int,
    project: ProjectManager,
    field: str,
) -> None:
    named, text, _ = LOOSER[field]
    scripts.succeed(*tighten(model_id, *STRICTER[field][0]), account=GUARDIAN)
    before, nonce = stored(deployed, model_id), roles.guardian.nonce
    # together with another field that does ask for more
    more = ["--accept", "UpToDate", "--min-hosts", "3"] if field != "hosts" else []
    output = scripts.fail(*tighten(model_id, *named, *more), account=GUARDIAN)
    assert re.search(
        f"This would loosen the policy: [^;]*{re.escape(text)}. tighten-policy takes effect", output
    )
    assert "`ape run admin set-policy` does both, with notice. Nothing was sent." in output
    assert (stored(deployed, model_id), roles.guardian.nonce) == (before, nonce)
    # The contract agrees.
    name, value = STRICTER[field][1], LOOSER[field][2]
    looser = replace(before, **{name: value}).to_abi()
    with ape.reverts(project.ShardRegistry.NotATightening, modelId=model_id):
        deployed.registry.tightenPolicy(model_id, looser, sender=roles.guardian)


def test_tighten_policy__fewer_statuses__is_done_and_more_are_refused(
    scripts: Scripts, deployed: DeployedContracts, model_id: int, chain: ChainManager
) -> None:
    wider = ["--accept", "uptodate", "--accept", "SWHardeningNeeded", "--accept", "OutOfDate"]
    scripts.succeed(*set_policy(model_id, *wider), account=GIVER)
    wait_for_notice(chain)
    scripts.succeed(*set_policy(model_id, *wider), account=GIVER)
    fewer = ["--accept", "UpToDate", "--accept", "SWHardeningNeeded"]
    output = scripts.succeed(*tighten(model_id, *fewer), account=GUARDIAN)
    assert (
        "accepted statuses: UpToDate, SWHardeningNeeded, OutOfDate → UpToDate, SWHardeningNeeded"
        in output
    )
    assert stored(deployed, model_id).accepted == {
        TcbStatus.UP_TO_DATE,
        TcbStatus.SW_HARDENING_NEEDED,
    }
    other = ["--accept", "UpToDate", "--accept", "OutOfDate"]
    refused = scripts.fail(*tighten(model_id, *other), account=GUARDIAN)
    assert (
        "This would loosen the policy: "
        "accepted statuses: UpToDate, SWHardeningNeeded → UpToDate, OutOfDate" in refused
    )


@pytest.mark.parametrize("command", ["tighten-policy", "set-policy"])
def test_policy__account_without_the_role__is_told_which(
    scripts: Scripts, deployed: DeployedContracts, model_id: int, command: str
) -> None:
    role = "GUARDIAN" if command == "tighten-policy" else "NOTICE_GIVER"
    act = ["admin", command, "--model", str(model_id), "--min-hosts", "2"]
    assert f"does not hold the role {role}, which" in scripts.fail(*act, account=STRANGER)


# ---------------------------------------------------------------- with notice


def test_set_policy__after_the_notice__is_done(
    scripts: Scripts, deployed: DeployedContracts, model_id: int, chain: ChainManager
) -> None:
    act = set_policy(model_id, "--accept", "UpToDate", "--accept", "ConfigurationNeeded")
    text = "accepted statuses: UpToDate → UpToDate, ConfigurationNeeded"
    before = stored(deployed, model_id)
    output = scripts.succeed(*act, account=GIVER)
    assert text in output
    assert "Announced: set-policy" in output
    assert stored(deployed, model_id) == before
    assert f"setPolicy(modelId={model_id}; {text})" in scripts.succeed("admin", "pending")
    assert "setPolicy is announced and can be done from" in scripts.fail(*act, account=GIVER)
    wait_for_notice(chain)
    assert "Done: set-policy" in scripts.succeed(*act, account=GIVER)
    assert stored(deployed, model_id).accepted == {
        TcbStatus.UP_TO_DATE,
        TcbStatus.CONFIGURATION_NEEDED,
    }


def test_set_policy__nothing_looser__names_the_immediate_command(
    scripts: Scripts, deployed: DeployedContracts, model_id: int
) -> None:
    output = scripts.succeed(*set_policy(model_id, "--min-hosts", "2"), account=GIVER)
    assert "Nothing becomes looser: `tighten-policy` would do this immediately." in output
    assert "Announced: set-policy" in output


def test_set_policy__tightened_meanwhile__announces_again_and_names_the_older(
    scripts: Scripts, deployed: DeployedContracts, model_id: int, chain: ChainManager
) -> None:
    act = set_policy(model_id, "--accept", "UpToDate", "--accept", "OutOfDate")
    scripts.succeed(*act, account=GIVER)
    (older,) = re.findall(r"operation +(0x\w{64})", scripts.succeed("admin", "pending"))
    scripts.succeed(*tighten(model_id, "--min-hosts", "2"), account=GUARDIAN)
    wait_for_notice(chain)
    output = scripts.succeed(*act, account=GIVER)
    assert "Announced: set-policy" in output
    # which would undo the tightening
    assert "different hosts in a path: 2 → 1)" in output
    assert f"ape run admin cancel {older}" in output
    assert stored(deployed, model_id).min_hosts == 2
    wait_for_notice(chain)
    scripts.succeed(*act, account=GIVER)
    assert stored(deployed, model_id).min_hosts == 2
    assert TcbStatus.OUT_OF_DATE in stored(deployed, model_id).accepted


class Meanwhile(Thread):
    """After the next transaction, sends another one and lets the notice pass."""

    def __init__(self, chain: ChainManager, sent: dict[str, str] | None) -> None:
        super().__init__(daemon=True)
        self._node = HTTPProvider(chain.provider.uri)
        self._head, self._sent = self._ask("eth_blockNumber"), sent
        self._after = chain.pending_timestamp + DELAY + 1

    def run(self) -> None:
        while self._ask("eth_blockNumber") == self._head:
            time.sleep(0.05)  # no event to wait for: the command runs in another thread
        if self._sent is not None:
            self._ask("eth_sendTransaction", self._sent)
        self._ask("evm_setNextBlockTimestamp", self._after)
        self._ask("evm_mine")

    def _ask(self, method: str, *parameters: Any) -> Any:
        answer = self._node.make_request(method, list(parameters))  # type: ignore[arg-type]
        return answer["result"]


def test_set_policy__waiting__is_announced_and_done_by_one_call(
    scripts: Scripts, deployed: DeployedContracts, model_id: int, chain: ChainManager
) -> None:
    act = set_policy(model_id, "--accept", "UpToDate", "--accept", "OutOfDate", "--wait")
    Meanwhile(chain, None).start()
    assert "Done: set-policy" in scripts.succeed(*act, account=GIVER)
    assert TcbStatus.OUT_OF_DATE in stored(deployed, model_id).accepted


def test_set_policy__tightened_while_it_waits__is_not_done(
    scripts: Scripts, deployed: DeployedContracts, roles: Roles, model_id: int, chain: ChainManager
) -> None:
    tighter = replace(stored(deployed, model_id), min_hosts=2)
    data = deployed.registry.tightenPolicy.encode_input(model_id, tighter.to_abi())
    tightening = {
        "from": roles.guardian.address,
        "to": deployed.registry.address,
        "data": to_hex(data),
    }
    Meanwhile(chain, tightening).start()
    act = set_policy(model_id, "--accept", "UpToDate", "--accept", "OutOfDate", "--wait")
    output = scripts.fail(*act, account=GIVER)
    assert f"The policy of model {model_id} changed during the notice" in output
    assert stored(deployed, model_id) == tighter


# ---------------------------------------------------------------- no change, or invalid values


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
    scripts: Scripts, deployed: DeployedContracts, roles: Roles, model_id: int, named: list[str]
) -> None:
    nonces = roles.guardian.nonce, roles.notice_giver.nonce
    for act, account in ((tighten, GUARDIAN), (set_policy, GIVER)):
        output = scripts.succeed(*act(model_id, *named), account=account)
        assert (
            f"Nothing changes: this is the policy of model {model_id}. Nothing was sent." in output
        )
    assert (roles.guardian.nonce, roles.notice_giver.nonce) == nonces


def test_policy__no_field__says_how_to_name_one(
    scripts: Scripts, deployed: DeployedContracts, model_id: int
) -> None:
    result = scripts.run(*tighten(model_id), account=GUARDIAN)
    assert result.exit_code == 2
    assert "Name a field to change, such as --accept or --max-collateral-age." in result.output


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        (["--accept", "Revoked"], "No policy can accept Revoked"),
        (["--accept", "NOT_SUPPORTED"], "No policy can accept NotSupported"),
        (["--accept", "UNCHECKED"], "No policy can accept Unchecked"),
        (
            ["--accept", "Fine"],
            "'Fine' is not one of Intel's statuses: UpToDate, SWHardeningNeeded",
        ),
        (["--xfam", "0xe7"], "'0xe7' is not 0x and 16 hexadecimal digits."),
        (["--max-collateral-age", "a week"], "'a week' is not a duration"),
        (
            ["--max-collateral-age", "49711d"],
            "is more than the 136 years that a contract can store.",
        ),
        (["--minimum-evaluation-number", "256"], "256 is not in the range 0<=x<=255."),
        (["--min-platforms", "0"], "0 is not in the range 1<=x<=255."),
    ],
)
def test_policy__value_that_no_policy_has__is_explained(
    scripts: Scripts, deployed: DeployedContracts, model_id: int, named: list[str], complaint: str
) -> None:
    result = scripts.run(*set_policy(model_id, *named), account=GIVER)
    assert result.exit_code == 2
    assert complaint in result.output


def test_tighten_policy__statuses_no_policy_has__are_refused_by_the_contract_too(
    deployed: DeployedContracts,
    roles: Roles,
    model_id: int,
    project: ProjectManager,
    chain: ChainManager,
) -> None:
    revoked = 1 << TcbStatus.REVOKED.value
    policy = list(stored(deployed, model_id).to_abi())
    policy[0] = revoked
    act = deployed.registry.setPolicy.encode_input(model_id, tuple(policy))
    deployed.manager.schedule(deployed.registry, act, 0, sender=roles.notice_giver)
    wait_for_notice(chain)
    error = project.ShardRegistry.PolicyInvalid
    with ape.reverts(error, acceptedStatuses=revoked, minimumEvaluationNumber=0):
        deployed.registry.setPolicy(model_id, tuple(policy), sender=roles.notice_giver)

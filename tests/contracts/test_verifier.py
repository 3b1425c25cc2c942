# SPDX-License-Identifier: Apache-2.0
"""`ape run deploy --verifier`, and how the verifier is told afterwards.

given nothing said
    it should be TeeTee's, and `admin status` should say so
given Automata's
    when its address is not said on a local chain, or there is no contract
        it should say so, and deploy nothing
    when its address is said
        it should deploy the adapter with it, read it back, and say whom one trusts
given an address of Automata's for TeeTee's verifier
    it should say so, and deploy nothing
given a deployment with the adapter
    it should be told by the chain alone
    it should refuse a policy with a greatest age of collateral, which the adapter cannot judge by
"""

import re
from pathlib import Path
from typing import Any

import pytest
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from teetee.chain.deployment import Deployment
from tests.contracts.conftest import Cast, House
from tests.contracts.scripts import Scripts

ADAPTER = (
    Path(__file__).parents[2] / "contracts" / "attestation" / "automata" / "AutomataVerifier.sol"
)
NOBODY = "0x" + "11" * 20
SAID = r"verifier +│ (.*\S) +│"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path / "deployment.json")


def test_deploy__nothing_said__is_teetees_verifier(scripts: Scripts, house: House) -> None:
    shown = scripts.succeed("admin", "status")
    assert re.findall(SAID, shown) == ["TeeTee's"]


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        (
            ["--verifier", "automata"],
            "--automata has to be said on base-local for --verifier automata. Nothing was sent.",
        ),
        (["--verifier", "automata", "--automata", NOBODY], f"Automata's contract at {NOBODY}"),
        (["--automata", NOBODY], "--automata is for --verifier automata alone. Nothing was sent."),
    ],
    ids=["address not said", "no contract there", "address for TeeTee's"],
)
def test_deploy__verifier_that_cannot_be__says_so_and_writes_nothing(
    elsewhere: Scripts, house: House, cast: Cast, named: list[str], complaint: str
) -> None:
    nonce = cast.deployer.nonce
    said = elsewhere.fail("deploy", *named, account=Cast.named("deployer"))
    assert complaint in said
    assert cast.deployer.nonce == nonce
    assert not elsewhere.deployment.exists()


@pytest.mark.skipif(not ADAPTER.exists(), reason="AutomataVerifier is not here yet")
def test_deploy__automata__deploys_the_adapter_and_says_whom_one_trusts(
    elsewhere: Scripts, deploy_arguments: list[str], house: House, project: ProjectManager
) -> None:
    # its constructor asks for a contract there, and no more
    automata = house.token.address
    named = ["--verifier", "automata", "--automata", automata]
    said = elsewhere.succeed(*deploy_arguments, *named)
    told = " ".join(said.split())
    assert f"Quotes are judged by Automata's contract {automata}" in told
    assert re.search(r"AutomataVerifier +0x", said)
    deployment = Deployment.load(elsewhere.deployment)
    verifier = project.AutomataVerifier.at(deployment.verifier)
    assert verifier.AUTOMATA() == automata
    assert verifier.certificates() == deployment.certificates
    assert project.ShardRegistry.at(deployment.registry).VERIFIER() == verifier.address
    shown = elsewhere.succeed("admin", "status")
    assert re.findall(SAID, shown) == [f"Automata's, {automata}"]


@pytest.fixture
def adapter(house: House, chain: ChainManager) -> str:
    """In the verifier's place a contract that gives one address as its answer; the address."""
    automata = house.token.address
    # PUSH20 automata, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN
    code = f"0x73{automata[2:]}5f5260205ff3"
    chain.provider.web3.provider.make_request("anvil_setCode", [house.verifier.address, code])
    return str(automata)


def test_status__adapter__is_told_by_the_chain_alone(scripts: Scripts, adapter: str) -> None:
    shown = scripts.succeed("admin", "status")
    assert re.findall(SAID, shown) == [f"Automata's, {adapter}"]


@pytest.mark.parametrize(
    ("command", "holder"), [("tighten-policy", "guardian"), ("set-policy", "notice_giver")]
)
def test_policy__age_of_collateral_for_the_adapter__is_refused(
    scripts: Scripts, house: House, adapter: str, model_id: int, command: str, holder: str
) -> None:
    act: list[Any] = ["admin", command, "--model", str(model_id)]
    before = house.registry.policyOf(model_id)
    age = ["--max-collateral-age", "7d"]
    said = scripts.fail(*act, *age, account=Cast.named(holder))
    assert f"Automata's contract {adapter}, which does not say how old collateral is" in said
    assert house.registry.policyOf(model_id) == before
    scripts.succeed(*act, "--min-hosts", "2", account=Cast.named(holder))

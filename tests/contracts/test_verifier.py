# SPDX-License-Identifier: Apache-2.0
"""`ape run deploy --verifier`, and the verifier that later commands show.

given no option
    it should deploy TeeTee's verifier, and `admin status` should say so
given Automata's
    when its address is not given on a local chain, or there is no contract
        it should say so, and deploy nothing
    when its address is given
        it should deploy the adapter with it, check it, and say who is trusted
given an address of Automata's for TeeTee's verifier
    it should say so, and deploy nothing
given a deployment with the adapter
    it should be recognised from the chain alone
    it should refuse a policy with a maximum collateral age, which the adapter cannot check
"""

import re
from pathlib import Path
from typing import Any

import pytest
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from teetee.chain.deployment import Deployment
from tests.contracts.deployed import DeployedContracts, Roles
from tests.contracts.scripts import Scripts

ADAPTER = (
    Path(__file__).parents[2] / "contracts" / "attestation" / "automata" / "AutomataVerifier.sol"
)
EMPTY = "0x" + "11" * 20
VERIFIER_ROW = r"verifier +│ (.*\S) +│"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path / "deployment.json")


def test_deploy__no_option__is_teetees_verifier(
    scripts: Scripts, deployed: DeployedContracts
) -> None:
    shown = scripts.succeed("admin", "status")
    assert re.findall(VERIFIER_ROW, shown) == ["TeeTee's"]


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        (
            ["--verifier", "automata"],
            "--automata is required on base-local for --verifier automata. Nothing was sent.",
        ),
        (["--verifier", "automata", "--automata", EMPTY], f"Automata's contract at {EMPTY}"),
        (["--automata", EMPTY], "--automata is for --verifier automata only. Nothing was sent."),
    ],
    ids=["no address", "no contract there", "address for TeeTee's"],
)
def test_deploy__verifier_that_cannot_be__says_so_and_writes_nothing(
    elsewhere: Scripts, deployed: DeployedContracts, roles: Roles, named: list[str], complaint: str
) -> None:
    nonce = roles.deployer.nonce
    output = elsewhere.fail("deploy", *named, account=Roles.named("deployer"))
    assert complaint in output
    assert roles.deployer.nonce == nonce
    assert not elsewhere.deployment.exists()


@pytest.mark.skipif(not ADAPTER.exists(), reason="AutomataVerifier is not here yet")
def test_deploy__automata__deploys_the_adapter_and_says_who_is_trusted(
    elsewhere: Scripts,
    deploy_arguments: list[str],
    deployed: DeployedContracts,
    project: ProjectManager,
) -> None:
    # The constructor only requires a contract there.
    automata = deployed.token.address
    named = ["--verifier", "automata", "--automata", automata]
    output = elsewhere.succeed(*deploy_arguments, *named)
    text = " ".join(output.split())
    assert f"Quotes are verified by Automata's contract {automata}" in text
    assert re.search(r"AutomataVerifier +0x", output)
    deployment = Deployment.load(elsewhere.deployment)
    verifier = project.AutomataVerifier.at(deployment.verifier)
    assert verifier.AUTOMATA() == automata
    assert verifier.certificates() == deployment.certificates
    assert project.ShardRegistry.at(deployment.registry).VERIFIER() == verifier.address
    shown = elsewhere.succeed("admin", "status")
    assert re.findall(VERIFIER_ROW, shown) == [f"Automata's, {automata}"]


@pytest.fixture
def adapter(deployed: DeployedContracts, chain: ChainManager) -> str:
    """Replaces the verifier by a contract that returns one address; that address."""
    automata = deployed.token.address
    # PUSH20 automata, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN
    code = f"0x73{automata[2:]}5f5260205ff3"
    chain.provider.web3.provider.make_request("anvil_setCode", [deployed.verifier.address, code])
    return str(automata)


def test_status__adapter__is_recognised_from_the_chain_alone(
    scripts: Scripts, adapter: str
) -> None:
    shown = scripts.succeed("admin", "status")
    assert re.findall(VERIFIER_ROW, shown) == [f"Automata's, {adapter}"]


@pytest.mark.parametrize(
    ("command", "holder"), [("tighten-policy", "guardian"), ("set-policy", "notice_giver")]
)
def test_policy__age_of_collateral_for_the_adapter__is_refused(
    scripts: Scripts,
    deployed: DeployedContracts,
    adapter: str,
    model_id: int,
    command: str,
    holder: str,
) -> None:
    act: list[Any] = ["admin", command, "--model", str(model_id)]
    before = deployed.registry.policyOf(model_id)
    age = ["--max-collateral-age", "7d"]
    output = scripts.fail(*act, *age, account=Roles.named(holder))
    assert f"Automata's contract {adapter}, which does not say how old collateral is" in output
    assert deployed.registry.policyOf(model_id) == before
    scripts.succeed(*act, "--min-hosts", "2", account=Roles.named(holder))

# SPDX-License-Identifier: Apache-2.0
"""`ape run deploy`

given an account for each role
    it should write a file that names contracts with code, at the block where they begin
    it should leave the deployer and the setup with no role
    it should pin the root that was given
    it should begin open for requests
given the same command once more on a local chain
    it should make new contracts
given terms that break a rule
    it should say which, and deploy nothing
given a root that is none, or no account
    it should say so
"""

from pathlib import Path

import pytest
from ape.managers.chain import ChainManager

from tee_simulator import SimulatedPki
from teetee.chain.deployment import Deployment
from teetee.quotes.certificates.pck_chain import certificate_id
from tests.contracts.deployed import DeployedContracts, Roles
from tests.contracts.scripts import Scripts

ROLES = {"ADMIN": 0, "PUBLISHER": 1, "NOTICE_GIVER": 2, "GUARDIAN": 3}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path / "deployment.json")


def test_deploy__roles_of_their_own__names_contracts_with_code(
    deployed: DeployedContracts, chain: ChainManager
) -> None:
    deployment = deployed.deployment
    assert (deployment.network, deployment.chain_id) == ("base-local", 31337)
    for address in (
        deployment.token,
        deployment.registry,
        deployment.escrow,
        deployment.verifier,
        deployment.certificates,
        deployment.access_manager,
    ):
        assert chain.provider.get_code(address)
    assert not chain.provider.get_code(deployment.token, block_id=deployment.deployed_at_block - 1)


def test_deploy__roles_of_their_own__leaves_the_deployer_none(
    deployed: DeployedContracts, roles: Roles
) -> None:
    for role in ROLES.values():
        assert not deployed.manager.hasRole(role, roles.deployer)[0]
    granted = {(log.roleId, log.account) for log in deployed.manager.RoleGranted.range(0, 1000)}
    # The setup was the manager's first admin, and gave that up.
    members = {
        (role, account) for role, account in granted if deployed.manager.hasRole(role, account)[0]
    }
    assert members == {
        (0, roles.admin.address),
        (1, roles.publisher.address),
        (2, roles.notice_giver.address),
        (3, roles.guardian.address),
    }


def test_deploy__given_root__is_the_pinned_one(
    deployed: DeployedContracts, pki: SimulatedPki
) -> None:
    assert bytes(deployed.certificates.root().rootId) == certificate_id(pki.root.der)
    assert deployed.verifier.certificates() == deployed.certificates.address


def test_deploy__contracts__know_each_other_and_admit_requests(deployed: DeployedContracts) -> None:
    assert deployed.registry.escrow() == deployed.escrow.address
    assert deployed.escrow.REGISTRY() == deployed.registry.address
    assert deployed.registry.VERIFIER() == deployed.verifier.address
    assert deployed.escrow.TOKEN() == deployed.registry.TOKEN() == deployed.token.address
    assert deployed.registry.authority() == deployed.escrow.authority() == deployed.manager.address
    assert not deployed.escrow.areRequestsPaused()


def test_deploy__local_chain__has_a_faucet_and_the_treasury_the_rest(
    deployed: DeployedContracts, roles: Roles
) -> None:
    block, supply = deployed.deployment.deployed_at_block, deployed.token.totalSupply()
    reserve = deployed.token.balanceOf(deployed.token, block_id=block)
    assert reserve == 100_000_000 * 10**18
    assert deployed.token.balanceOf(roles.treasury, block_id=block) == supply - reserve
    deployed.token.claim(sender=roles.stranger)
    assert deployed.token.balanceOf(roles.stranger) == deployed.token.FAUCET_AMOUNT()


def test_deploy__once_more__makes_new_contracts(
    elsewhere: Scripts, deploy_arguments: list[str], deployed: DeployedContracts
) -> None:
    elsewhere.succeed(*deploy_arguments)
    assert Deployment.load(elsewhere.deployment).registry != deployed.deployment.registry


@pytest.mark.parametrize(
    ("term", "complaint"),
    [
        (["--fee-bps", "3001"], "FeeTooHigh(feeBps=3001, max=3000)"),
        (["--penalty", "101"], "--penalty is more than the bond that it is taken from"),
        (["--cap", "80000000000"], "--cap is more than the escrow can credit"),
        (["--unbonding-period", "1h"], "UnbondingTooShort(unbondingPeriod=3600, maxWindow=3600)"),
    ],
    ids=["fee above a third", "penalty above the bond", "supply above 96 bits", "bond freed early"],
)
def test_deploy__terms_that_break_a_rule__say_which_and_write_nothing(
    elsewhere: Scripts, term: list[str], complaint: str
) -> None:
    assert complaint in elsewhere.fail("deploy", *term)
    assert not elsewhere.deployment.exists()


def test_deploy__authority_instead_of_root__is_refused(elsewhere: Scripts, folder: Path) -> None:
    root = str(folder / "pki" / "platform_ca.pem")
    assert "not signed by its own key" in elsewhere.fail("deploy", "--root-ca", root)


def test_deploy__unknown_account__is_named(elsewhere: Scripts) -> None:
    complaint = elsewhere.fail("deploy", account="missing")
    assert "On base-local there is no account missing." in complaint

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

from tee_simulator import TestPki
from teetee.chain.deployment import Deployment
from teetee.quotes.certificates.pck_chain import certificate_id
from tests.contracts.conftest import Cast, House
from tests.contracts.scripts import Scripts

ROLES = {"ADMIN": 0, "PUBLISHER": 1, "NOTICE_GIVER": 2, "GUARDIAN": 3}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path / "deployment.json")


def test_deploy__roles_of_their_own__names_contracts_with_code(
    house: House, chain: ChainManager
) -> None:
    deployment = house.deployment
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


def test_deploy__roles_of_their_own__leaves_the_deployer_none(house: House, cast: Cast) -> None:
    for role in ROLES.values():
        assert not house.manager.hasRole(role, cast.deployer)[0]
    granted = {(log.roleId, log.account) for log in house.manager.RoleGranted.range(0, 1000)}
    # the manager's first admin is the setup, which has left
    held = {(role, account) for role, account in granted if house.manager.hasRole(role, account)[0]}
    assert held == {
        (0, cast.admin.address),
        (1, cast.publisher.address),
        (2, cast.notice_giver.address),
        (3, cast.guardian.address),
    }


def test_deploy__given_root__is_the_pinned_one(house: House, pki: TestPki) -> None:
    assert bytes(house.certificates.root().rootId) == certificate_id(pki.root.der)
    assert house.verifier.certificates() == house.certificates.address


def test_deploy__contracts__know_each_other_and_admit_requests(house: House) -> None:
    assert house.registry.escrow() == house.escrow.address
    assert house.escrow.REGISTRY() == house.registry.address
    assert house.registry.VERIFIER() == house.verifier.address
    assert house.escrow.TOKEN() == house.registry.TOKEN() == house.token.address
    assert house.registry.authority() == house.escrow.authority() == house.manager.address
    assert not house.escrow.areRequestsPaused()


def test_deploy__local_chain__has_a_faucet_and_the_treasury_the_rest(
    house: House, cast: Cast
) -> None:
    block, supply = house.deployment.deployed_at_block, house.token.totalSupply()
    reserve = house.token.balanceOf(house.token, block_id=block)
    assert reserve == 100_000_000 * 10**18
    assert house.token.balanceOf(cast.treasury, block_id=block) == supply - reserve
    house.token.claim(sender=cast.stranger)
    assert house.token.balanceOf(cast.stranger) == house.token.FAUCET_AMOUNT()


def test_deploy__once_more__makes_new_contracts(
    elsewhere: Scripts, deploy_arguments: list[str], house: House
) -> None:
    elsewhere.succeed(*deploy_arguments)
    assert Deployment.load(elsewhere.deployment).registry != house.deployment.registry


@pytest.mark.parametrize(
    ("term", "complaint"),
    [
        (["--fee-bps", "3001"], "FeeTooHigh(feeBps=3001, max=3000)"),
        (["--penalty", "101"], "--penalty is more than the bond it is taken from"),
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
    complaint = elsewhere.fail("deploy", account="nobody")
    assert "On base-local there is no account nobody." in complaint

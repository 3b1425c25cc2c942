# SPDX-License-Identifier: Apache-2.0
"""`ape run deploy` on a live network: a chain that claims to be Base Sepolia.

given no node, or one of another chain
    it should name the variable, or both chains
given no account, or one whose key is public
    it should refuse
given a root other than Intel's
    it should refuse
given a delay shorter than promised
    it should refuse
given a funded key
    it should deploy with Intel's root and two days of notice, and write the file
    when it is run again
        it should refuse to replace the first deployment
given Base itself
    it should want every role output
"""

import os
import re
import subprocess
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from ape.managers.project import ProjectManager
from eth_account import Account
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3

from teetee.chain.deployment import Deployment

ROOT = Path(__file__).parents[2]
INTEL_ROOT = ROOT / "tests" / "vectors" / "attestation" / "certs" / "intel_sgx_root_ca.der"
SEPOLIA, MAINNET = "base:sepolia:node", "base:mainnet:node"
ADMIN, NOTICE_GIVER = 0, 2
TWO_DAYS = 2 * 86400


@pytest.fixture(scope="module")
def anvils() -> Iterator[dict[str, str]]:
    """Chains that claim to be Base Sepolia and Base, by the variables that name them."""
    started = []
    named = {}
    try:
        for variable, chain_id in (("BASE_SEPOLIA_RPC", 84532), ("BASE_MAINNET_RPC", 8453)):
            command = [str(ROOT / "toolchain" / "anvil"), "--port", "0", "--block-time", "0.2"]
            process = subprocess.Popen(
                [*command, "--chain-id", str(chain_id), "--accounts", "0"],
                stdout=subprocess.PIPE,
                text=True,
            )
            started.append(process)
            assert process.stdout is not None
            listens = (re.search(r"Listening on (\S+)", line) for line in process.stdout)
            named[variable] = "http://" + next(found[1] for found in listens if found)
            # anvil logs every block: unread, the pipe would fill up and block it
            Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
        yield named
    finally:
        for process in started:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def funded_key(anvils: dict[str, str]) -> str:
    account = Account.create()
    for url in anvils.values():
        HTTPProvider(url).make_request("anvil_setBalance", [account.address, hex(10**18)])
    return "0x" + bytes(account.key).hex()


class Deploy:
    """Runs the script in its own process: ape reads the nodes' variables at its start."""

    def __init__(self, folder: Path, nodes: dict[str, str]) -> None:
        self.file = folder / "live.json"
        self._environment = os.environ | {
            "TEETEE_DEPLOYMENT": str(self.file),
            "APE_DATA_FOLDER": str(folder / "ape"),
            "COLUMNS": "400",
        }
        self._environment.pop("TEETEE_PRIVATE_KEY", None)
        self._nodes = nodes

    def __call__(
        self, *arguments: str, network: str = SEPOLIA, without: str = "", **changed: str
    ) -> tuple[int, str]:
        environment = self._environment | self._nodes | changed
        environment.pop(without, None)
        done = subprocess.run(
            [ROOT / "toolchain" / "ape", "run", "deploy", "--network", network, *arguments],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory, anvils: dict[str, str]) -> Deploy:
    return Deploy(tmp_path_factory.mktemp("live"), anvils)


@pytest.fixture
def refused(deploy: Deploy) -> Iterator[Deploy]:
    """Checks that a refused deployment writes no file."""
    existed = deploy.file.exists()
    yield deploy
    assert deploy.file.exists() == existed


def test_deploy__no_node_named__names_the_variable(refused: Deploy) -> None:
    status, output = refused(without="BASE_SEPOLIA_RPC")
    assert status != 0
    assert "Invalid uri: ${BASE_SEPOLIA_RPC}" in output


def test_deploy__node_of_another_chain__names_both(refused: Deploy, anvils: dict[str, str]) -> None:
    status, output = refused(BASE_SEPOLIA_RPC=anvils["BASE_MAINNET_RPC"])
    assert status != 0
    assert "8453" in output
    assert "84532" in output


def test_deploy__no_account__is_refused(refused: Deploy) -> None:
    status, output = refused()
    assert status == 1
    assert "On base-sepolia no account to send from is named." in output


def test_deploy__account_with_a_public_key__is_refused(refused: Deploy) -> None:
    status, output = refused("--account", "TEST::0")
    assert status == 1
    assert "On base-sepolia there is no account TEST::0." in output


def test_deploy__key_without_ether__is_refused(refused: Deploy) -> None:
    poor = Account.create()
    status, output = refused(TEETEE_PRIVATE_KEY="0x" + bytes(poor.key).hex())
    assert status == 1
    assert f"{poor.address} has 0.000000 ETH" in output


def test_deploy__root_other_than_intels__is_refused(
    refused: Deploy, funded_key: str, folder: Path, pki: object
) -> None:
    root = str(folder / "pki" / "root.pem")
    status, output = refused("--root-ca", root, TEETEE_PRIVATE_KEY=funded_key)
    assert status == 1
    assert "On base-sepolia quotes must chain to Intel's root" in output


def test_deploy__delay_shorter_than_promised__is_refused(refused: Deploy, funded_key: str) -> None:
    status, output = refused("--notice-delay", "47h", TEETEE_PRIVATE_KEY=funded_key)
    assert status == 1
    assert "--notice-delay is shorter than the 2 days that users are promised" in output


def test_deploy__mainnet_without_all_roles__is_refused(refused: Deploy, funded_key: str) -> None:
    status, output = refused(
        *("--admin", "0x" + "11" * 20), network=MAINNET, TEETEE_PRIVATE_KEY=funded_key
    )
    assert status == 1
    assert "Name the holders: --publisher, --notice-giver, --guardian, --treasury." in output


def test_deploy__funded_key__uses_intels_root_and_two_days_of_notice(
    deploy: Deploy, funded_key: str, anvils: dict[str, str], project: ProjectManager
) -> None:
    status, output = deploy(TEETEE_PRIVATE_KEY=funded_key)
    assert status == 0, output
    deployment = Deployment.load(deploy.file)
    assert (deployment.network, deployment.chain_id) == ("base-sepolia", 84532)

    chain = Web3(HTTPProvider(anvils["BASE_SEPOLIA_RPC"]))
    abi = (ROOT / "teetee" / "abi" / "GuardedAccessManager.json").read_text()
    manager = chain.eth.contract(to_checksum_address(deployment.access_manager), abi=abi)
    holder = Account.from_key(funded_key).address
    for role in (ADMIN, NOTICE_GIVER):
        assert manager.functions.hasRole(role, holder).call() == [True, TWO_DAYS]
    abi = (ROOT / "teetee" / "abi" / "PckCertificates.json").read_text()
    certificates = chain.eth.contract(to_checksum_address(deployment.certificates), abi=abi)
    (pinned,) = certificates.events.RootPinned.get_logs(from_block=deployment.deployed_at_block)
    assert pinned.args.der == INTEL_ROOT.read_bytes()

    status, output = deploy(TEETEE_PRIVATE_KEY=funded_key)
    assert status == 1
    assert "already names contracts on base-sepolia" in output

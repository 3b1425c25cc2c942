# SPDX-License-Identifier: Apache-2.0
"""A real anvil with the real contracts, except the quote verifier: AcceptingVerifier accepts all
quotes.

Deploys forge's artefacts, after compiling those that are missing or stale.
"""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.contract import Contract

from teetee.chain.deployment import Deployment

ROOT = Path(__file__).parents[3]
CHAIN_ID = 31337
TEE = 10**18
BOND = 100 * TEE
PENALTY = 5 * TEE
MIN_WINDOW, MAX_WINDOW = 30, 3600
MAX_ENVELOPE_BYTES = 70_000
FEE_BPS = 500
ATTESTATION_PERIOD = 7 * 86_400
UNBONDING_PERIOD = 86_400
ZERO_ADDRESS = "0x" + "00" * 20


def role(name: str) -> LocalAccount:
    """An account named by its role in a test."""
    account: LocalAccount = Account.from_key(Web3.keccak(text=f"test role: {name}"))
    return account


def compile_contracts() -> None:
    """Compile the contracts; returns immediately if none has changed."""
    subprocess.run(
        [str(ROOT / "toolchain" / "forge"), "build", "--skip", "tests/**", "--quiet"],
        cwd=ROOT,
        check=True,
    )


def load_artefact(name: str) -> dict[str, Any]:
    """forge's artefact of a contract."""
    path = ROOT / "build" / "forge" / f"{name}.sol" / f"{name}.json"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def free_port() -> int:
    """A free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_anvil(*options: str) -> Iterator[str]:
    """Yields the URL of a fresh chain, and stops it afterwards."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(ROOT / "toolchain" / "anvil"), "--silent", "--port", str(port)]
    command += ["--chain-id", str(CHAIN_ID), "--hardfork", "osaka", *options]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            _await_node(url, process)
            yield url
        finally:
            process.terminate()


def _await_node(url: str, process: subprocess.Popen[bytes]) -> None:
    web3 = Web3(HTTPProvider(url, exception_retry_configuration=None))
    deadline = time.monotonic() + 30
    while not web3.is_connected():
        assert process.poll() is None, "anvil ended at once"
        assert time.monotonic() < deadline, "anvil does not answer"
        time.sleep(0.02)  # an opening port sends no event to wait for


class LocalChain:
    """The deployed contracts, and anvil's control over funds, time and blocks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.web3 = Web3(HTTPProvider(url, exception_retry_configuration=None))
        self.deployer: LocalAccount = role("deployer")
        self.treasury: LocalAccount = role("treasury")
        for account in (self.deployer, self.treasury):
            self.fund(account.address)
        self.deployment = self._deploy()

    # ------------------------------------------------------------ powers

    def rpc(self, method: str, *parameters: Any) -> Any:
        """An RPC call that web3 has no method for."""
        answer = self.web3.provider.make_request(method, list(parameters))  # type: ignore[arg-type]
        assert "error" not in answer, answer
        return answer.get("result")

    def fund(self, address: str, wei: int = 100 * 10**18) -> None:
        """Give ETH."""
        self.rpc("anvil_setBalance", address, hex(wei))

    def pass_time(self, seconds: int) -> None:
        """Mine a block that many seconds later."""
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    def now(self) -> int:
        """The newest block's time."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def act(self, account: LocalAccount, function: Any, value: int = 0) -> Any:
        """Send a web3 contract function or constructor; the receipt."""
        transaction = function.build_transaction(
            {
                "from": account.address,
                "nonce": self.web3.eth.get_transaction_count(account.address),
                "value": value,
            }
        )
        signed = account.sign_transaction(transaction)
        sent = self.web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        assert receipt["status"] == 1, receipt
        return receipt

    def contract(self, name: str, address: str) -> Contract:
        """A deployed contract by forge's ABI."""
        return self.web3.eth.contract(
            address=Web3.to_checksum_address(address), abi=load_artefact(name)["abi"]
        )

    def give_tokens(self, address: str, amount: int) -> None:
        """From the treasury."""
        token = self.contract("UsageToken", self.deployment.token)
        self.act(self.treasury, token.functions.transfer(address, amount))

    # ------------------------------------------------------------ deployment

    def _deploy(self) -> Deployment:
        first_block = self.web3.eth.block_number
        setup = self.create("AccessSetup")
        manager = setup.functions.MANAGER().call()
        faucet = (1_000_000 * TEE, 100 * TEE, 3600)
        token = self.create("UsageToken", self.treasury.address, 10**9 * TEE, *faucet)
        verifier = self.create("AcceptingVerifier")
        registry = self.create(
            "ShardRegistry",
            manager,
            token.address,
            verifier.address,
            BOND,
            ATTESTATION_PERIOD,
            UNBONDING_PERIOD,
        )
        windows = (FEE_BPS, PENALTY, MIN_WINDOW, MAX_WINDOW, MAX_ENVELOPE_BYTES)
        allowance = (100_000, 100, 1_000_000)
        partners = (token.address, registry.address, self.treasury.address)
        escrow = self.create("InferenceEscrow", manager, (*partners, *windows, *allowance))
        holders = (self.deployer.address,) * 4
        configure = setup.functions.configure(registry.address, escrow.address, holders, (0, 0))
        self.act(self.deployer, configure)
        return Deployment(
            network="base-local",
            chain_id=CHAIN_ID,
            token=str(token.address),
            registry=str(registry.address),
            escrow=str(escrow.address),
            verifier=str(verifier.address),
            certificates=str(verifier.address),  # AcceptingVerifier needs no certificates
            access_manager=str(manager),
            deployed_at_block=first_block,
            root_ca_fingerprint=bytes(32),
        )

    def create(self, name: str, *arguments: Any) -> Contract:
        """Deploy one contract from forge's artefact."""
        compiled = load_artefact(name)
        factory = self.web3.eth.contract(
            abi=compiled["abi"], bytecode=compiled["bytecode"]["object"]
        )
        receipt = self.act(self.deployer, factory.constructor(*arguments))
        return self.contract(name, receipt["contractAddress"])

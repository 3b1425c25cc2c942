# SPDX-License-Identifier: Apache-2.0
"""A local chain with Base's rules: sends transactions and reads their gas.

Knows forge's artefacts, but none of the project's contracts.
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
from web3.exceptions import ContractCustomError, ContractLogicError
from web3.types import TxReceipt

from benchmarks.errors import ChainSilent, ToolMissing, TransactionReverted

ROOT = Path(__file__).parents[2]
CHAIN_ID = 31337
START_TIMEOUT_SECONDS = 30.0
ETHER = 10**18


def compile_contracts() -> None:
    """Compiles the contracts if they changed. Raises `ToolMissing`."""
    command = [str(ROOT / "toolchain" / "forge"), "build", "--skip", "tests/**", "--quiet"]
    try:
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolMissing("toolchain/forge build", str(error)) from error


def account(name: str) -> LocalAccount:
    """An account named by its role in the measurement."""
    derived: LocalAccount = Account.from_key(Web3.keccak(text=f"benchmark role: {name}"))
    return derived


@contextmanager
def running_chain(started_at: int | None = None) -> Iterator["Chain"]:
    """Runs a fresh anvil that starts now or at a given time.

    Its rules are osaka, where P256VERIFY costs 6,900 gas as on Base, and Base's limit of 2^24 gas
    per transaction. Raises `ToolMissing`, `ChainSilent`.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(ROOT / "toolchain" / "anvil"), "--silent", "--port", str(port)]
    command += ["--chain-id", str(CHAIN_ID), "--hardfork", "osaka", "--enable-tx-gas-limit"]
    if started_at is not None:
        command += ["--timestamp", str(started_at)]
    try:
        process = subprocess.Popen(command, cwd=ROOT)
    except OSError as error:
        raise ToolMissing("toolchain/anvil", str(error)) from error
    with process:
        try:
            yield Chain(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


class Chain:
    """A running anvil."""

    def __init__(self, url: str) -> None:
        self.web3 = Web3(HTTPProvider(url, exception_retry_configuration=None))
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.web3.is_connected():
            if time.monotonic() > deadline:
                raise ChainSilent(url, START_TIMEOUT_SECONDS)
            time.sleep(0.02)  # an opening port gives no event to wait for
        self.pass_time(1)  # estimates on anvil's first block would assume second 1

    def fund(self, address: str) -> None:
        """Gives an account ETH for gas."""
        self.web3.provider.make_request("anvil_setBalance", [address, hex(1000 * ETHER)])  # type: ignore[arg-type]

    def now(self) -> int:
        """The latest block's time in Unix seconds."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def pass_time(self, seconds: int) -> None:
        """Mines a block that many seconds later."""
        self.web3.provider.make_request("evm_increaseTime", [seconds])  # type: ignore[arg-type]
        self.web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]

    def send(self, sender: LocalAccount, what: str, function: Any) -> TxReceipt:
        """Sends a web3 contract function or constructor. Raises `TransactionReverted`."""
        try:
            transaction = function.build_transaction(
                {
                    "from": sender.address,
                    "nonce": self.web3.eth.get_transaction_count(sender.address),
                }
            )
        except (ContractCustomError, ContractLogicError) as error:
            raise TransactionReverted(what) from error
        signed = sender.sign_transaction(transaction)
        sent = self.web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        if receipt["status"] != 1:
            raise TransactionReverted(what)
        return receipt

    def gas(self, sender: LocalAccount, what: str, function: Any) -> int:
        """The gas used by the whole transaction: 21,000, calldata and execution, minus refunds."""
        return int(self.send(sender, what, function)["gasUsed"])

    def create(self, deployer: LocalAccount, name: str, *arguments: Any) -> Contract:
        """Deploys one contract from forge's artefact."""
        compiled = _artefact(name)
        factory = self.web3.eth.contract(
            abi=compiled["abi"], bytecode=compiled["bytecode"]["object"]
        )
        receipt = self.send(deployer, f"deploying {name}", factory.constructor(*arguments))
        return self.at(name, str(receipt["contractAddress"]))

    def at(self, name: str, address: str) -> Contract:
        """A contract that another one created."""
        checksummed = Web3.to_checksum_address(address)
        return self.web3.eth.contract(address=checksummed, abi=_artefact(name)["abi"])


def _artefact(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        (ROOT / "build" / "forge" / f"{name}.sol" / f"{name}.json").read_text()
    )
    return loaded

# SPDX-License-Identifier: Apache-2.0
"""A local anvil that starts empty at a time of our choice and can be reset for each case.

It listens on a free loopback port and runs as long as its context manager.
"""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import requests

from teetee.protocol.json import shallow as shallow_json
from teetee.quote_comparison.compiled_contracts import ROOT
from teetee.quote_comparison.errors import AnvilFailed, AnvilUnavailable

ANVIL: Final = ROOT / "toolchain" / "anvil"
LAST_SECOND: Final = (1 << 40) - 1
"""Contracts store times in 40 bits."""

_START_SECONDS: Final = 30.0
_CALL_SECONDS: Final = 120.0
# Base's limit per transaction (EIP-7825).
_GAS: Final = hex(1 << 24)
_OPTIONS: Final = (
    *("--silent", "--hardfork", "osaka", "--timestamp", "0", "--accounts", "1"),
    *("--gas-limit", str(1 << 26), "--no-mining"),
)


@dataclass(frozen=True)
class MinedTransaction:
    """A transaction that succeeded."""

    gas_used: int
    contract: str
    """The address of the contract that it created; empty for a call."""


class Reverted(Exception):
    """A contract refused; `data` is the encoded error. Never leaves this package."""

    def __init__(self, data: bytes, gas_used: int | None) -> None:
        super().__init__("reverted")
        self.data = data
        self.gas_used = gas_used


class LocalAnvil:
    """A context manager. Entering it raises `AnvilUnavailable`, its methods `AnvilFailed`."""

    def __init__(self, anvil: Path = ANVIL) -> None:
        self._anvil = anvil
        self._session = requests.Session()
        self._session.trust_env = False  # never use a proxy for loopback
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""
        self._snapshot = ""
        self._at = 0
        self._account = ""

    def __enter__(self) -> Self:
        port = _free_port()
        self._url = f"http://127.0.0.1:{port}"
        try:
            self._process = subprocess.Popen(
                [str(self._anvil), *_OPTIONS, "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self._await_answer(self._process)
            self._account = str(self.rpc("eth_accounts")[0])
            self._snapshot = str(self.rpc("evm_snapshot"))
        except OSError as error:
            self.close()
            raise AnvilUnavailable(str(self._anvil), error.strerror or "does not run") from None
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop anvil. Idempotent."""
        self._session.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def reset(self, at: int) -> None:
        """Return to the empty chain; every following block has the time `at`."""
        self.rpc("evm_revert", self._snapshot)
        self._snapshot = str(self.rpc("evm_snapshot"))
        self._at = at

    def deploy(self, code: bytes) -> str:
        """The new contract's address. Raises `Reverted`."""
        return self._transact({"data": "0x" + code.hex()}).contract

    def transact(self, to: str, data: bytes) -> MinedTransaction:
        """A call in a block of its own. Raises `Reverted`."""
        return self._transact({"to": to, "data": "0x" + data.hex()})

    def read(self, to: str, data: bytes) -> bytes:
        """The return data of a call at the time set by `reset`. Raises `Reverted`."""
        overrides = {"time": hex(self._at)}
        request = {"from": self._account, "to": to, "data": "0x" + data.hex(), "gas": _GAS}
        answer = self._post("eth_call", request, "latest", None, overrides)
        if "error" in answer:
            raise Reverted(_revert_data(answer["error"]), None)
        return bytes.fromhex(str(answer["result"]).removeprefix("0x"))

    def rpc(self, method: str, *parameters: Any) -> Any:
        """The result of a JSON-RPC call. Raises `AnvilFailed`."""
        answer = self._post(method, *parameters)
        if "error" in answer:
            raise AnvilFailed(method, str(answer["error"].get("message", "")))
        return answer.get("result")

    def _transact(self, fields: dict[str, str]) -> MinedTransaction:
        request = {"from": self._account, "gas": _GAS, **fields}
        transaction = self.rpc("eth_sendTransaction", request)
        self.rpc("evm_setNextBlockTimestamp", self._at)
        self.rpc("evm_mine")
        receipt = self.rpc("eth_getTransactionReceipt", transaction)
        gas_used = int(receipt["gasUsed"], 16)
        if int(receipt["status"], 16) != 1:
            replay = self._post("eth_call", request, "latest", None, {"time": hex(self._at)})
            raise Reverted(_revert_data(replay.get("error", {})), gas_used)
        return MinedTransaction(gas_used, str(receipt.get("contractAddress") or ""))

    def _post(self, method: str, *parameters: Any) -> dict[str, Any]:
        request: Any = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": method,
            "params": list(parameters),
        }
        try:
            response = self._session.post(self._url, json=request, timeout=_CALL_SECONDS)
            answer: dict[str, Any] = shallow_json.load(response.content)
        except (requests.RequestException, ValueError) as error:
            raise AnvilFailed(method, type(error).__name__) from None
        return answer

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.rpc("eth_chainId")
            except AnvilFailed:
                if process.poll() is not None:
                    raise AnvilUnavailable(
                        str(self._anvil), f"ended with status {process.returncode}"
                    ) from None
                if time.monotonic() > deadline:
                    raise AnvilUnavailable(str(self._anvil), "does not answer") from None
                time.sleep(0.02)  # an opening port sends no event to wait for
            else:
                return


def _revert_data(error: dict[str, Any]) -> bytes:
    data = error.get("data")
    try:
        return bytes.fromhex(str(data).removeprefix("0x")) if isinstance(data, str) else b""
    except ValueError:
        return b""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

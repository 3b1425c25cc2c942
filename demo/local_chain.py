# SPDX-License-Identifier: Apache-2.0
"""The local chain's JSON-RPC, with anvil's own methods: balances, mining, time."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from demo.errors import ChainRefused
from demo.processes.ports import LOOPBACK

RPC_SECONDS = 30.0
ETHER = 10**18


@dataclass(frozen=True)
class LocalChain:
    """An anvil on this machine."""

    port: int

    @property
    def url(self) -> str:
        """Address of its JSON-RPC."""
        return f"http://{LOOPBACK}:{self.port}"

    def call(self, method: str, *parameters: Any) -> Any:
        """One JSON-RPC call. Raises `ChainRefused`."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        request = urllib.request.Request(
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=RPC_SECONDS) as reply:
                answer = json.load(reply)
        except (OSError, urllib.error.URLError, ValueError) as error:
            raise ChainRefused(method, type(error).__name__) from None
        if "error" in answer:
            raise ChainRefused(method, str(answer["error"].get("message", "no reason given")))
        return answer["result"]

    def chain_id(self) -> int:
        """The chain id that it reports."""
        return int(self.call("eth_chainId"), 16)

    def set_ether(self, address: str, wei: int) -> None:
        """Set the balance of `address`."""
        self.call("anvil_setBalance", address, hex(wei))

    def ether_of(self, address: str) -> int:
        """Balance in wei."""
        return int(self.call("eth_getBalance", address, "latest"), 16)

    def block_number(self) -> int:
        """Number of the newest block."""
        return int(self.call("eth_blockNumber"), 16)

    def now(self) -> int:
        """Time of the newest block, Unix seconds."""
        return int(self.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def advance(self, seconds: int) -> None:
        """Move the chain's clock forward and mine a block."""
        self.call("evm_increaseTime", seconds)
        self.call("evm_mine")

    def blocks(self) -> list[dict[str, Any]]:
        """All blocks, with their transactions."""
        return [
            self.call("eth_getBlockByNumber", hex(number), True)
            for number in range(self.block_number() + 1)
        ]

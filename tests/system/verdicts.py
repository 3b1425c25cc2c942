# SPDX-License-Identifier: Apache-2.0
"""What a simulated Intel and the roles of a model decide about shards, and how a test undoes it."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

from demo.phases.enclaves import Enclave
from demo.world import World
from tee_simulator.collateral.pccs import CONDITIONS_PATH
from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.contracts.certificates import Certificates
from teetee.chain.contracts.registry import Registry
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.blocks import Block
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.protocol.identifiers import ShardId
from teetee.quotes.certificates.pck_platform import PckPlatform


@dataclass(frozen=True)
class Verdicts:
    """Acts on a running world. The publisher holds all roles there."""

    world: World
    connection: Connection
    registry: Registry

    @classmethod
    def on(cls, world: World) -> Verdicts:
        """By a connection of its own."""
        connection = world.connection()
        return cls(world, connection, Registry(connection, world.deployment))

    def shard(self, enclave: Enclave, at: Block | None = None) -> Shard:
        """As the registry shows it."""
        return self.registry.shard(ShardId(enclave.shard_id), at)

    def status(self, enclave: Enclave) -> ShardStatus:
        """The registry's word."""
        return self.shard(enclave).status

    def serial(self, enclave: Enclave) -> str:
        """Of the PCK certificate of its machine, in hex."""
        certificates = Certificates(self.connection, self.world.deployment)
        leaf = certificates.chain(self.shard(enclave).pck_id).leaf
        return f"{PckPlatform.parse(leaf).serial:x}"

    # ------------------------------------------------------------ Intel

    def intel_says(self, **conditions: Any) -> None:
        """From now on; what is not named is as it should be."""
        request = urllib.request.Request(
            self.world.command.collateral + CONDITIONS_PATH,
            json.dumps(conditions).encode(),
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def synchronize(self) -> dict[str, Any]:
        """Anybody's `teetee collateral sync --recheck`."""
        caretaker = self.world.wallet("caretaker")
        said: dict[str, Any] = self.world.command.call(
            "caretaker", "collateral", "sync", "--recheck", wallet=caretaker
        )
        return said

    def recheck(self, enclave: Enclave) -> dict[str, Any]:
        """Anybody's `teetee host recheck`."""
        caretaker = self.world.wallet("caretaker")
        said: dict[str, Any] = self.world.command.call(
            "caretaker", "host", "recheck", str(enclave.shard_id), wallet=caretaker
        )
        return said

    # ------------------------------------------------------------ roles

    def at_once(self, function: str, *arguments: Any) -> None:
        """A guardian's call."""
        self._sender().send(encode_call(self.registry.contract, function, *arguments))

    def with_notice(self, function: str, *arguments: Any) -> None:
        """A notice giver's call: announced, and made when its time has come."""
        call = encode_call(self.registry.contract, function, *arguments)
        manager = self.connection.contract("AccessManager", self.world.deployment.access_manager)
        self._sender().send(encode_call(manager, "schedule", call.to, call.data, 0))
        self.world.chain.advance(10)
        self._sender().send(Call(manager.address, _execute(manager, call), "execute"))

    def _sender(self) -> TransactionSender:
        account = self.world.wallet("publisher").account
        return TransactionSender(self.connection, account, poll_seconds=0.1)

    # ------------------------------------------------------------ afterwards

    def make_well(self) -> None:
        """Every shard serves again."""
        self.intel_says()
        self.synchronize()
        for enclave in self.world.enclaves:
            if self.status(enclave) is ShardStatus.EVICTED:
                renewal = ("host", "renew", str(enclave.shard_id))
                self.world.command.call(f"host-{enclave.plan.name}", *renewal, wallet=enclave.host)
            self._top_up(enclave)
            assert self.registry.is_active(ShardId(enclave.shard_id))

    def _top_up(self, enclave: Enclave) -> None:
        """A refund after a deadline takes the penalty from the entry's bond."""
        missing = self.registry.bond() - self.shard(enclave).bond
        if missing > 0:
            arguments = ("host", "top-up", str(enclave.shard_id), f"{missing} wei")
            self.world.command.call(f"host-{enclave.plan.name}", *arguments, wallet=enclave.host)


def _execute(manager: Any, call: Call) -> bytes:
    return encode_call(manager, "execute", call.to, call.data).data


def await_closed(is_closed: Any, seconds: float) -> float:
    """How long it took; there is no event on this side to await. Fails after `seconds`."""
    begun = time.monotonic()
    while not is_closed():
        waited = time.monotonic() - begun
        assert waited < seconds, f"still open after {waited:.1f} s"
        time.sleep(0.05)
    return time.monotonic() - begun

# SPDX-License-Identifier: Apache-2.0
"""Changes that make shards unfit, by a simulated Intel or a model's roles, and their reversal."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

from demo.cli import RunningCommand
from demo.phases.enclaves import EnclaveProcess
from demo.world import World
from tee_simulator.collateral.pccs import CONDITIONS_PATH
from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.contracts.certificates import Certificates
from teetee.chain.contracts.registry import Registry
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.blocks import Block
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.collateral.rechecks import RecheckOutcome, recheck_shard
from teetee.protocol.identifiers import ShardId
from teetee.quotes.certificates.pck_platform import PckPlatform


@dataclass(frozen=True)
class AttestationChanges:
    """Changes in a running world, where the publisher holds all roles."""

    world: World
    connection: Connection
    registry: Registry

    @classmethod
    def on(cls, world: World) -> AttestationChanges:
        """With a connection of its own."""
        connection = world.connection()
        return cls(world, connection, Registry(connection, world.deployment))

    def shard(self, enclave: EnclaveProcess, at: Block | None = None) -> Shard:
        """As the registry returns it."""
        return self.registry.shard(ShardId(enclave.shard_id), at)

    def status(self, enclave: EnclaveProcess) -> ShardStatus:
        """Its status in the registry."""
        return self.shard(enclave).status

    def serial(self, enclave: EnclaveProcess) -> str:
        """The serial number of its machine's PCK certificate, in hexadecimal."""
        certificates = Certificates(self.connection, self.world.deployment)
        leaf = certificates.chain(self.shard(enclave).pck_id).leaf
        return f"{PckPlatform.parse(leaf).serial:x}"

    # ------------------------------------------------------------ Intel

    def set_collateral(self, **conditions: Any) -> None:
        """Conditions of the collateral from now on; by default there is no finding."""
        request = urllib.request.Request(
            self.world.command.collateral + CONDITIONS_PATH,
            json.dumps(conditions).encode(),
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def upload_and_recheck(self) -> dict[str, Any]:
        """`teetee collateral sync --recheck`, by a wallet without a role."""
        caretaker = self.world.wallet("caretaker")
        output: dict[str, Any] = self.world.command.call(
            "caretaker", "collateral", "sync", "--recheck", wallet=caretaker
        )
        return output

    def recheck_all(self, *enclaves: EnclaveProcess) -> list[RecheckOutcome]:
        """Recheck each of them by the library, which needs no process of its own."""
        sender = self._sender("caretaker")
        return [recheck_shard(self.registry, sender, self.shard(each)) for each in enclaves]

    def recheck(self, enclave: EnclaveProcess) -> dict[str, Any]:
        """`teetee host recheck`, by a wallet without a role."""
        caretaker = self.world.wallet("caretaker")
        output: dict[str, Any] = self.world.command.call(
            "caretaker", "host", "recheck", str(enclave.shard_id), wallet=caretaker
        )
        return output

    # ------------------------------------------------------------ roles

    def change_immediately(self, function: str, *arguments: Any) -> None:
        """A guardian's call."""
        self._sender().send(encode_call(self.registry.contract, function, *arguments))

    def change_with_notice(self, function: str, *arguments: Any) -> None:
        """A notice giver's call: announced, then done after the notice."""
        call = encode_call(self.registry.contract, function, *arguments)
        manager = self.connection.contract(
            "GuardedAccessManager", self.world.deployment.access_manager
        )
        self._sender().send(encode_call(manager, "schedule", call.to, call.data, 0))
        self.world.chain.advance(10)
        self._sender().send(Call(manager.address, _execute(manager, call), "execute"))

    def _sender(self, role: str = "publisher") -> TransactionSender:
        account = self.world.wallet(role).account
        return TransactionSender(self.connection, account, poll_seconds=0.1)

    # ------------------------------------------------------------ reversal

    def restore_all(self) -> None:
        """Make every shard serve again."""
        self.set_collateral()
        self.upload_and_recheck()
        for enclave in self.world.enclaves:
            self._top_up(enclave)  # an evicted shard comes back with a whole bond only
        evicted = [e for e in self.world.enclaves if self.status(e) is ShardStatus.EVICTED]
        # The first one uploads the kind's TCB info, which the others would race to do.
        for enclaves in (evicted[:1], evicted[1:]):
            for renewal in [self._begin_host_command(each, "renew") for each in enclaves]:
                renewal.value()
        for enclave in self.world.enclaves:
            self._top_up(enclave)
            assert self.registry.is_active(ShardId(enclave.shard_id))

    def _top_up(self, enclave: EnclaveProcess) -> None:
        """A refund after a deadline takes the penalty from the entry's bond."""
        missing = self.registry.bond() - self.shard(enclave).bond
        if missing > 0:
            self._begin_host_command(enclave, "top-up", f"{missing} wei").value()

    def _begin_host_command(
        self, enclave: EnclaveProcess, name: str, *arguments: str
    ) -> RunningCommand:
        command = ("host", name, str(enclave.shard_id), *arguments)
        log = f"host-{enclave.plan.name}"
        return self.world.command.begin(log, *command, wallet=enclave.host)


def _execute(manager: Any, call: Call) -> bytes:
    return encode_call(manager, "execute", call.to, call.data).data


def await_closed(is_closed: Any, seconds: float) -> float:
    """The seconds it took. Polls, because there is no event; fails after `seconds`."""
    started_at = time.monotonic()
    while not is_closed():
        waited = time.monotonic() - started_at
        assert waited < seconds, f"still open after {waited:.1f} s"
        time.sleep(0.05)
    return time.monotonic() - started_at

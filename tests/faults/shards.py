# SPDX-License-Identifier: Apache-2.0
"""What people do about shards during a run: a guardian evicts them, hosts bring them back."""

from __future__ import annotations

import threading
import time
from typing import Any

from eth_account.signers.local import LocalAccount

from demo.local_chain import ETHER
from demo.phases.enclaves import GAS_ETHER, EnclaveProcess
from demo.processes.ports import LOOPBACK
from demo.wallets import Wallet
from teetee.chain.calldata import Call, encode_call
from teetee.chain.transactions.fee_policy import SendingPolicy
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.client.hosting.hosting import Hosting
from teetee.collateral.rechecks import recheck_shard
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ShardId
from tests.faults.world import FaultWorld

READMISSION_SECONDS = 20.0
_POLICY = SendingPolicy(resend_after_seconds=2, give_up_after_seconds=12)
"""A reorganisation may drop what was sent."""


class Shards:
    """Each call may be made by any thread; those of one wallet follow each other."""

    def __init__(self, world: FaultWorld) -> None:
        self._world = world
        self._locks: dict[str, threading.Lock] = {}
        self.bond = world.contracts.registry.bond()

    def shard(self, name: str) -> Shard:
        """As the registry has it."""
        shard_id = ShardId(self._world.enclave(name).shard_id)
        return self._world.contracts.registry.shard(shard_id)

    def evict(self, name: str) -> None:
        """Deny its platform, announce the readmission, and have it rechecked."""
        registry = self._world.contracts.registry
        platform_id = self.shard(name).platform_id
        if not self._is_denied(platform_id):
            self._send("publisher", encode_call(registry.contract, "denyPlatform", platform_id))
        self._try_schedule(*self._readmission(platform_id))
        with self._lock("caretaker"):
            recheck_shard(registry, self._sender("caretaker"), self.shard(name))

    def readmit(self, name: str) -> None:
        """Execute the readmission once its notice has passed, and renew."""
        platform_id = self.shard(name).platform_id
        manager, readmission = self._readmission(platform_id)
        until = time.monotonic() + READMISSION_SECONDS
        while self._is_denied(platform_id):
            try:
                call = encode_call(manager, "execute", readmission.to, readmission.data)
                self._send("publisher", call)
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(1.0)  # the notice has not passed, or was reorganised away
                self._try_schedule(manager, readmission)
        if self.shard(name).status is not ShardStatus.ACTIVE:
            self.renew(name)

    def renew(self, name: str) -> None:
        """By its host, with a fresh quote: after an eviction, for which the bond must be whole, or,
        with new keys, a reboot.
        """
        self.top_up(name)
        enclave = self._world.enclave(name)
        hosting = self._hosting_of(enclave.host.account)
        found = hosting.verify_enclave(
            Endpoint(LOOPBACK, enclave.port), enclave.endpoint, enclave.host.address
        )
        shard = self.shard(name)
        if found.statement.identity.keyset == shard.keyset:
            hosting.renew(shard, found)
        else:
            signer = found.statement.identity.keyset.signer
            self._give_gas(signer)
            hosting.rekey(shard, found)

    def restore(self, name: str) -> None:
        """Active, with its whole bond and its present keys, and ether for its transactions."""
        shard = self.shard(name)
        enclave = self._world.enclave(name)
        if self._is_denied(shard.platform_id):
            self.readmit(name)
        elif shard.status is not ShardStatus.ACTIVE or self._has_other_keys(enclave, shard):
            self.renew(name)
        self._give_gas(self.shard(name).keyset.signer)
        self.top_up(name)

    def _give_gas(self, signer: str) -> None:
        """To a new signer, and again where a reorganisation dropped that."""
        if self._world.contracts.connection.ether_of(signer) < GAS_ETHER * ETHER // 2:
            self._send("treasury", Call(signer, b"", "gas", GAS_ETHER * ETHER))

    def top_up(self, name: str) -> None:
        """Put back what penalties took: with less than its bond, a shard is not active."""
        shard = self.shard(name)
        missing = self.bond - shard.bond
        if missing > 0:
            with self._lock("treasury"):
                hosting = self._hosting_of(self._world.wallet("treasury").account)
                hosting.top_up(shard.shard_id, missing)

    def has_other_keys(self, name: str) -> bool:
        """Whether the registry has keys that its enclave does not have: it cannot act then. A
        reorganisation can undo that its host gave the shard the new ones.
        """
        return self._has_other_keys(self._world.enclave(name), self.shard(name))

    def _has_other_keys(self, enclave: EnclaveProcess, shard: Shard) -> bool:
        return str(enclave.keyset.get("signer", shard.keyset.signer)) != shard.keyset.signer

    def _hosting_of(self, account: LocalAccount) -> Hosting:
        contracts, sender = self._world.contracts, self._sender_of(account)
        return Hosting(contracts, account, sender, quotes=None, notify=lambda _: None)

    def _is_denied(self, platform_id: bytes) -> bool:
        contract = self._world.contracts.registry.contract
        return bool(
            self._world.contracts.connection.read(contract, "isPlatformDenied", platform_id)
        )

    def _readmission(self, platform_id: bytes) -> tuple[Any, Call]:
        world = self._world
        manager = world.contracts.connection.contract(
            "GuardedAccessManager", world.deployment.access_manager
        )
        return manager, encode_call(
            world.contracts.registry.contract, "readmitPlatform", platform_id
        )

    def _try_schedule(self, manager: Any, call: Call) -> None:
        try:
            self._send("publisher", encode_call(manager, "schedule", call.to, call.data, 0))
        except Exception:  # noqa: BLE001 - it is announced already
            return

    def _send(self, role: str, call: Call) -> None:
        with self._lock(role):
            self._sender(role).send(call)

    def _sender(self, role: str) -> TransactionSender:
        wallet: Wallet = self._world.wallet(role)
        return self._sender_of(wallet.account)

    def _sender_of(self, account: LocalAccount) -> TransactionSender:
        connection = self._world.contracts.connection
        return TransactionSender(connection, account, policy=_POLICY, poll_seconds=0.2)

    def _lock(self, role: str) -> threading.Lock:
        return self._locks.setdefault(role, threading.Lock())

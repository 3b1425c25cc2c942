# SPDX-License-Identifier: Apache-2.0
"""Keeps the chain's collateral fresh, at this enclave's cost in gas: without it, its shard would be
paused sooner or later, and all others on machines of its kind.

Every enclave may do the same: what one has brought, the others find there.
"""

from collections.abc import Collection, Iterator
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.process.startup import Enclave
from teetee.chain.contracts.certificates import Certificates
from teetee.chain.contracts.collateral import CollateralStore, PlatformKind
from teetee.chain.contracts.registry import Registry
from teetee.chain.transactions.sender import Sender
from teetee.collateral.kinds import highest_minimum, kinds_of_shards
from teetee.collateral.pccs import PccsReader
from teetee.collateral.rechecks import Recheck, recheck_shards
from teetee.collateral.synchronization import Item, Synchronization


class Upkeep(Protocol):
    """The seam to PCCS and chain."""

    def bring(self) -> Iterator[Item]:
        """Compare, and bring what is newer, piece by piece."""

    def recheck(self) -> Iterator[Recheck]:
        """Have all shards judged anew."""


class Freshness:
    """`look` is called by one loop."""

    def __init__(self, upkeep: Upkeep, log: FilteringBoundLogger) -> None:
        self._upkeep = upkeep
        self._log = log

    def look(self) -> None:
        """Brings collateral, then has shards judged anew. Raises what PCCS and chain raise."""
        try:
            for item in self._upkeep.bring():
                if item.sent is not None:
                    self._log.info(
                        "collateral brought",
                        kind=item.what.replace(" ", "-"),
                        transaction=item.sent.transaction_hash,
                        gas=item.sent.gas_used,
                    )
        finally:
            # Also without the PCCS: somebody else may have brought what puts a shard out.
            self._judge_anew()

    def _judge_anew(self) -> None:
        for each in self._upkeep.recheck():
            facts = {"shard_id": int(each.shard_id), "state": each.after.name}
            if each.error is not None:
                self._log.warning("shard not judged", **facts)
            elif each.sent is not None:
                self._log.info("shard judged anew", gas=each.sent.gas_used, **facts)


class ChainUpkeep:
    """The real one: one PCCS, one chain, the enclave's own key."""

    def __init__(self, pccs: str, enclave: Enclave) -> None:
        connection, deployment = enclave.connection, enclave.deployment
        self._registry = Registry(connection, deployment)
        self._certificates = Certificates(connection, deployment)
        self._sender = Sender(connection, enclave.keys.signer)
        self._synchronization = Synchronization(
            PccsReader(pccs),
            CollateralStore(connection, deployment),
            self._certificates,
            self._sender,
            root_fingerprint=deployment.root_ca_fingerprint,
        )

    def bring(self) -> Iterator[Item]:
        """For the kinds of platforms that serve; nothing to do while there are none, nor where the
        verifier judges by somebody else's collateral."""
        if self._registry.verifier.is_adapter:
            return
        kinds: Collection[PlatformKind] = kinds_of_shards(self._registry, self._certificates)
        if kinds:
            yield from self._synchronization.run(kinds, highest_minimum(self._registry))

    def recheck(self) -> Iterator[Recheck]:
        """All shards, of all models."""
        return recheck_shards(self._registry, self._sender)

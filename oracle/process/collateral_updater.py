# SPDX-License-Identifier: Apache-2.0
"""Keeps the chain's collateral fresh; this enclave pays the gas. With stale collateral, its shard
and all others on the same kind of platform are paused.

Every enclave may run it: what one has uploaded, the others find there. `oracle.process.server`
starts it and repeats it every `collateral_seconds` (`oracle.process.settings`); which shards need a
recheck is decided in `teetee.collateral.rechecks`.
"""

from collections.abc import Collection, Iterator
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.process.startup import PreparedEnclave
from teetee.chain.contracts.certificates import Certificates
from teetee.chain.contracts.collateral import CollateralStore, PlatformKind
from teetee.chain.contracts.registry import Registry
from teetee.collateral.pccs import PccsReader
from teetee.collateral.platform_kinds import (
    highest_minimum_evaluation_number,
    platform_kinds_of_shards,
)
from teetee.collateral.rechecks import RecheckOutcome, recheck_shards
from teetee.collateral.synchronization import Synchronization, SynchronizedItem


class CollateralPort(Protocol):
    """The updater's access to PCCS and chain."""

    def upload_newer(self) -> Iterator[SynchronizedItem]:
        """Compares each item with the chain, and uploads it if it is newer."""

    def recheck_shards(self) -> Iterator[RecheckOutcome]:
        """Rechecks all shards against the present collateral."""


class CollateralUpdater:
    """One loop calls `update`."""

    def __init__(self, collateral: CollateralPort, log: FilteringBoundLogger) -> None:
        self._collateral = collateral
        self._log = log

    def update(self) -> None:
        """Uploads newer collateral, then rechecks the shards. Raises the PCCS's and the chain's
        errors.
        """
        try:
            for item in self._collateral.upload_newer():
                if item.sent is not None:
                    self._log.info(
                        "collateral uploaded",
                        kind=item.what.replace(" ", "-"),
                        transaction=item.sent.transaction_hash,
                        gas=item.gas_used,
                    )
        finally:
            # Even if the PCCS fails: another uploader's collateral may affect a shard.
            self._recheck_shards()

    def _recheck_shards(self) -> None:
        for each in self._collateral.recheck_shards():
            facts = {"shard_id": int(each.shard_id), "state": each.after.name}
            if each.error is not None:
                self._log.warning("shard not rechecked", **facts)
            elif each.sent is not None:
                self._log.info("shard rechecked", gas=each.sent.gas_used, **facts)


class ChainCollateral:
    """Implements `CollateralPort` over one PCCS and the chain, with the enclave's own key."""

    def __init__(self, pccs: str, enclave: PreparedEnclave) -> None:
        connection, deployment = enclave.connection, enclave.deployment
        self._registry = Registry(connection, deployment)
        self._sender = enclave.sender
        self._synchronization = Synchronization(
            PccsReader(pccs),
            CollateralStore(connection, deployment),
            Certificates(connection, deployment),
            self._sender,
            root_fingerprint=deployment.root_ca_fingerprint,
        )

    def upload_newer(self) -> Iterator[SynchronizedItem]:
        """For the kinds of platforms that serve. Uploads nothing if there are none, or if the
        verifier uses another party's collateral.
        """
        if self._registry.verifier.is_adapter:
            return
        kinds: Collection[PlatformKind] = platform_kinds_of_shards(self._registry)
        if kinds:
            yield from self._synchronization.run(
                kinds, highest_minimum_evaluation_number(self._registry)
            )

    def recheck_shards(self) -> Iterator[RecheckOutcome]:
        """All shards of all models."""
        return recheck_shards(self._registry, self._sender)

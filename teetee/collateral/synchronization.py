# SPDX-License-Identifier: Apache-2.0
"""Compares what a PCCS publishes with what the chain keeps, and brings what is newer.

In the order in which contracts can check it: root CRL, certificates, PCK CRL, QE identity, TCB
infos. A race that somebody else won is information, not an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from teetee.chain.calldata import Call
from teetee.chain.contract_errors import CollateralNotNewer
from teetee.chain.contracts.certificates import Certificates
from teetee.chain.contracts.collateral import CollateralStore, PlatformKind, StoredCollateral
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from teetee.collateral.pccs import PccsReader
from teetee.collateral.published import PublishedCrl, PublishedJson
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.errors import CollateralInvalid


@dataclass(frozen=True)
class SynchronizedItem:
    """One piece of collateral, and what was done about it."""

    what: str
    kept: StoredCollateral
    """Before."""
    issued_at: int
    next_update: int
    """Of what the PCCS publishes, Unix seconds."""
    sent: ConfirmedTransaction | None = None
    """The transaction that brought it; None: the chain has it already."""

    def to_json(self) -> dict[str, Any]:
        """Times in Unix seconds."""
        sent = self.sent
        return {
            "what": self.what,
            "uploaded": sent is not None,
            "issuedAt": self.issued_at,
            "nextUpdate": self.next_update,
            "keptIssuedAt": self.kept.issued_at or None,
            "keptNextUpdate": self.kept.next_update or None,
            "transaction": sent.transaction_hash if sent else None,
            "gasUsed": sent.gas_used if sent else None,
        }


class Synchronization:
    """Between one PCCS and one chain. Raises what PCCS and chain raise."""

    def __init__(
        self,
        pccs: PccsReader,
        store: CollateralStore,
        certificates: Certificates,
        sender: TransactionSender,
        *,
        root_fingerprint: bytes,
    ) -> None:
        self._pccs = pccs
        self._store = store
        self._certificates = certificates
        self._sender = sender
        self._root_fingerprint = root_fingerprint

    def run(
        self, kinds: Collection[PlatformKind], minimum_number: int = 0
    ) -> Iterator[SynchronizedItem]:
        """Everything that platforms of these kinds are judged by, one after the other.

        Where policies ask for a higher evaluation number than the standard one, that is brought
        as well.
        """
        pck_crl = self._pccs.pck_crl()
        self._require_root(pck_crl.root)
        yield self._root_crl(self._pccs.root_crl(pck_crl.root))
        yield self._pck_crl(pck_crl)
        identity = self._pccs.qe_identity()
        yield self._qe_identity(identity)
        if identity.number < minimum_number:
            yield self._qe_identity(self._pccs.qe_identity(minimum_number))
        for kind in sorted(kinds, key=str):
            standard = self._pccs.tcb_info(kind)
            yield self._tcb_info(standard, kind)
            if standard.number < minimum_number:
                yield self._tcb_info(self._pccs.tcb_info(kind, minimum_number), kind)

    # ------------------------------------------------------------ one by one

    def _root_crl(self, crl: PublishedCrl) -> SynchronizedItem:
        call = self._store.update_root_crl(crl.der)
        return self._bring("root CRL", self._store.root_crl(), crl, call)

    def _pck_crl(self, crl: PublishedCrl) -> SynchronizedItem:
        authority_id = certificate_id(crl.issuer)
        if not self._certificates.has_authority(authority_id):
            self._sender.send(self._certificates.add_authority(crl.issuer))
        call = self._store.update_pck_crl(crl.der, authority_id)
        return self._bring("platform CRL", self._store.pck_crl(authority_id), crl, call)

    def _qe_identity(self, published: PublishedJson) -> SynchronizedItem:
        signer_id = self._signer(published)
        signed = published.signed
        call = self._store.update_qe_identity(signed.text, signed.signature, signer_id)
        kept = self._store.qe_identity(published.number)
        return self._bring(f"QE identity {published.number}", kept, published, call)

    def _tcb_info(self, published: PublishedJson, kind: PlatformKind) -> SynchronizedItem:
        if published.kind != kind:
            raise CollateralInvalid(f"has TCB info of {published.kind} for {kind}")
        signer_id = self._signer(published)
        signed = published.signed
        call = self._store.update_tcb_info(signed.text, signed.signature, signer_id)
        kept = self._store.tcb_info(kind, published.number)
        return self._bring(f"TCB info {kind} {published.number}", kept, published, call)

    # ------------------------------------------------------------ private

    def _bring(
        self, what: str, kept: StoredCollateral, published: PublishedCrl | PublishedJson, call: Call
    ) -> SynchronizedItem:
        item = SynchronizedItem(what, kept, published.issued_at, published.next_update)
        if published.issued_at <= kept.issued_at:
            return item
        try:
            sent = self._sender.send(call)
        except CollateralNotNewer:
            return item
        return SynchronizedItem(what, kept, published.issued_at, published.next_update, sent)

    def _require_root(self, root: bytes) -> None:
        if hashlib.sha256(root).digest() != self._root_fingerprint:
            raise CollateralInvalid("hangs from another root than this network trusts")

    def _signer(self, published: PublishedJson) -> bytes:
        self._require_root(published.root)
        signer_id = certificate_id(published.signer)
        if not self._certificates.has_collateral_signer(signer_id):
            self._sender.send(self._certificates.add_collateral_signer(published.signer))
        return signer_id

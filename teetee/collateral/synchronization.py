# SPDX-License-Identifier: Apache-2.0
"""Uploads collateral of a PCCS that is newer than the chain's.

Uses the order in which the contracts can verify it: root CRL, certificates, PCK CRL, QE identity,
TCB infos. If someone else uploads the same collateral first, that is not an error. A long PCK CRL
takes several transactions; an interrupted upload goes on where it ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from teetee.chain.calldata import Call
from teetee.chain.contract_errors import CollateralNotNewer
from teetee.chain.contracts.certificates import Certificates
from teetee.chain.contracts.collateral import CollateralStore, PlatformKind, StoredCollateral
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from teetee.collateral.long_crl import MAX_SHORT_BYTES, LongCrl, upload_entries
from teetee.collateral.pccs import PccsReader
from teetee.collateral.published import PublishedCrl, PublishedJson
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.errors import CollateralInvalid


@dataclass(frozen=True)
class SynchronizedItem:
    """One piece of collateral, and whether it was uploaded."""

    what: str
    stored: StoredCollateral
    """On chain, before the upload."""
    issued_at: int
    next_update: int
    """As published by the PCCS, Unix seconds."""
    sent: ConfirmedTransaction | None = None
    """The upload; None if the chain has it already."""
    sent_before: tuple[ConfirmedTransaction, ...] = ()
    """The parts of a long CRL, which were uploaded first."""

    @property
    def gas_used(self) -> int | None:
        """Of all transactions of the upload."""
        if self.sent is None:
            return None
        return self.sent.gas_used + sum(each.gas_used for each in self.sent_before)

    def to_json(self) -> dict[str, Any]:
        """Times in Unix seconds."""
        sent = self.sent
        return {
            "what": self.what,
            "uploaded": sent is not None,
            "issuedAt": self.issued_at,
            "nextUpdate": self.next_update,
            "keptIssuedAt": self.stored.issued_at or None,
            "keptNextUpdate": self.stored.next_update or None,
            "transaction": sent.transaction_hash if sent else None,
            "gasUsed": self.gas_used,
        }


class Synchronization:
    """From one PCCS to one chain. Raises the errors of both."""

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
        """All collateral for platforms of these kinds, one piece after the other.

        If policies require a higher evaluation number than the standard one, that set is uploaded
        too.
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
        return self._upload("root CRL", self._store.root_crl(), crl, call)

    def _pck_crl(self, crl: PublishedCrl) -> SynchronizedItem:
        authority_id = certificate_id(crl.issuer)
        if not self._certificates.has_authority(authority_id):
            self._sender.send(self._certificates.add_authority(crl.issuer))
        stored = self._store.pck_crl(authority_id)
        if len(crl.der) > MAX_SHORT_BYTES and crl.issued_at > stored.issued_at:
            return self._long_pck_crl(crl, authority_id, stored)
        call = self._store.update_pck_crl(crl.der, authority_id)
        return self._upload("platform CRL", stored, crl, call)

    def _long_pck_crl(
        self, crl: PublishedCrl, authority_id: bytes, stored: StoredCollateral
    ) -> SynchronizedItem:
        """Its entries first, in parts; only the last call compares them with the signature."""
        crl.require_signed()
        long_crl = LongCrl.parse(crl.der)
        parts, sent = upload_entries(self._store.long_crls, self._sender, long_crl)
        call = self._store.update_long_pck_crl(long_crl.to_abi(parts), authority_id)
        item = self._upload("platform CRL", stored, crl, call)
        return replace(item, sent_before=tuple(sent))

    def _qe_identity(self, published: PublishedJson) -> SynchronizedItem:
        signer_id = self._signer(published)
        signed = published.signed
        call = self._store.update_qe_identity(signed.text, signed.signature, signer_id)
        stored = self._store.qe_identity(published.number)
        return self._upload(f"QE identity {published.number}", stored, published, call)

    def _tcb_info(self, published: PublishedJson, kind: PlatformKind) -> SynchronizedItem:
        signer_id = self._signer(published)
        signed = published.signed
        call = self._store.update_tcb_info(signed.text, signed.signature, signer_id)
        stored = self._store.tcb_info(kind, published.number)
        return self._upload(f"TCB info {kind} {published.number}", stored, published, call)

    # ------------------------------------------------------------ private

    def _upload(
        self,
        what: str,
        stored: StoredCollateral,
        published: PublishedCrl | PublishedJson,
        call: Call,
    ) -> SynchronizedItem:
        item = SynchronizedItem(what, stored, published.issued_at, published.next_update)
        if published.issued_at <= stored.issued_at:
            return item
        try:
            sent = self._sender.send(call)
        except CollateralNotNewer:
            return item
        return SynchronizedItem(what, stored, published.issued_at, published.next_update, sent)

    def _require_root(self, root: bytes) -> None:
        if hashlib.sha256(root).digest() != self._root_fingerprint:
            raise CollateralInvalid("has another root than this network trusts")

    def _signer(self, published: PublishedJson) -> bytes:
        self._require_root(published.root)
        signer_id = certificate_id(published.signer)
        if not self._certificates.has_collateral_signer(signer_id):
            self._sender.send(self._certificates.add_collateral_signer(published.signer))
        return signer_id

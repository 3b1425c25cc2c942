# SPDX-License-Identifier: Apache-2.0
"""A TDX quote of version 4 or 5, taken apart and put together again. Nothing here checks a
signature."""

import struct
from dataclasses import dataclass
from typing import Self

from eth_utils.crypto import keccak

from teetee.quotes import layout
from teetee.quotes.byte_reader import ByteReader
from teetee.quotes.certificates.pck_chain import chain_der, pem_chain
from teetee.quotes.errors import QuoteMalformed


@dataclass(frozen=True)
class TdReport:
    """What the TDX module says about the guest. Registers have 48 bytes."""

    tee_tcb_svn: bytes
    mr_seam: bytes
    mr_signer_seam: bytes
    seam_attributes: bytes
    td_attributes: bytes
    xfam: bytes
    mr_td: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    report_data: bytes
    """64 bytes, the enclave's own."""
    tee_tcb_svn_2: bytes
    mr_service_td: bytes
    """Of a TDREPORT 1.5; zero in others."""

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """From the 584 bytes of a TDREPORT 1.0, the 648 of a TDREPORT 1.5, or the 885 of an
        extended one, which begins as a TDREPORT 1.5 does."""
        reader = ByteReader(body.ljust(layout.TD_REPORT_15_BYTES, b"\x00"))
        return cls(
            tee_tcb_svn=reader.take(16),
            mr_seam=reader.take(48),
            mr_signer_seam=reader.take(48),
            seam_attributes=reader.take(8),
            td_attributes=reader.take(8),
            xfam=reader.take(8),
            mr_td=reader.take(48),
            mr_config_id=reader.take(48),
            mr_owner=reader.take(48),
            mr_owner_config=reader.take(48),
            rtmrs=(reader.take(48), reader.take(48), reader.take(48), reader.take(48)),
            report_data=reader.take(64),
            tee_tcb_svn_2=reader.take(16),
            mr_service_td=reader.take(48),
        )

    @property
    def measurement(self) -> bytes:
        """keccak256(MRTD ‖ RTMR0 ‖ RTMR1 ‖ RTMR2 ‖ MRCONFIGID): what a model's allow-list names."""
        return keccak(self.mr_td + b"".join(self.rtmrs[:3]) + self.mr_config_id)


@dataclass(frozen=True)
class Quote:
    """A quote's parts. `parse(x).encode()` gives `x` back without the zeros behind it."""

    header: bytes
    """48 bytes."""
    body_head: bytes
    """Type and size of the body in version 5, 6 bytes; empty in version 4."""
    td_report: bytes
    """584, 648 or 885 bytes; taken apart by `report`."""
    signature: bytes
    attestation_key: bytes
    """r ‖ s and x ‖ y, 64 bytes each, big-endian."""
    qe_report: bytes
    qe_report_signature: bytes
    qe_auth_data: bytes
    """32 bytes."""
    pck_chain: bytes
    """PEM: leaf, authority, root, and the NUL that Intel's library ends it with."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """From what a guest agent hands out. Raises `QuoteMalformed`."""
        if len(raw) > layout.MAX_QUOTE_BYTES:
            raise QuoteMalformed(f"has more than {layout.MAX_QUOTE_BYTES} bytes")
        quote, behind = cls.parse_ahead(raw)
        if any(behind):
            raise QuoteMalformed("is followed by bytes that are not zero")
        return quote

    @classmethod
    def parse_ahead(cls, raw: bytes) -> tuple[Self, bytes]:
        """The quote that `raw` begins with, and what stands behind it. Raises `QuoteMalformed`."""
        reader = ByteReader(raw)
        header, body_head, td_report = _take_signed(reader)
        auth = ByteReader(reader.take_sized("<I"))
        signature, key = auth.take(layout.SIGNATURE_BYTES), auth.take(layout.KEY_BYTES)
        certification = ByteReader(auth.take_typed(layout.CERTIFICATION_QE_REPORT))
        auth.finish()
        qe_report = certification.take(layout.QE_REPORT_BYTES)
        qe_report_signature = certification.take(layout.SIGNATURE_BYTES)
        qe_auth_data = certification.take_sized("<H")
        if len(qe_auth_data) != layout.QE_AUTH_BYTES:
            raise QuoteMalformed(f"has {len(qe_auth_data)} bytes of QE authentication data")
        chain = certification.take_typed(layout.CERTIFICATION_PCK_CHAIN)
        certification.finish()
        quote = cls(
            header,
            body_head,
            td_report,
            signature,
            key,
            qe_report,
            qe_report_signature,
            qe_auth_data,
            chain,
        )
        return quote, reader.rest()

    @classmethod
    def from_core(cls, core: bytes, pck_chain: bytes) -> Self:
        """From the bytes which a contract has seen, and a chain. Raises `QuoteMalformed`."""
        reader = ByteReader(core)
        header, body_head, td_report = _take_signed(reader)
        quote = cls(
            header=header,
            body_head=body_head,
            td_report=td_report,
            signature=reader.take(layout.SIGNATURE_BYTES),
            attestation_key=reader.take(layout.KEY_BYTES),
            qe_report=reader.take(layout.QE_REPORT_BYTES),
            qe_report_signature=reader.take(layout.SIGNATURE_BYTES),
            qe_auth_data=reader.take(layout.QE_AUTH_BYTES),
            pck_chain=pck_chain,
        )
        reader.finish()
        return quote

    @property
    def report(self) -> TdReport:
        """What the TDX module says about the guest."""
        return TdReport.parse(self.td_report)

    def pck_chain_der(self) -> tuple[bytes, bytes, bytes]:
        """Leaf, authority and root in DER. Raises `CertificateMalformed`."""
        return chain_der(self.pck_chain)

    @property
    def core(self) -> bytes:
        """The bytes which a contract checks: 1,240 of version 4, 1,246, 1,310 or 1,547 of version
        5."""
        return b"".join(
            (
                self.header,
                self.body_head,
                self.td_report,
                self.signature,
                self.attestation_key,
                self.qe_report,
                self.qe_report_signature,
                self.qe_auth_data,
            )
        )

    def encode(self) -> bytes:
        """The quote, without zeros behind it."""
        certification = b"".join(
            (
                self.qe_report,
                self.qe_report_signature,
                struct.pack("<H", len(self.qe_auth_data)),
                self.qe_auth_data,
                struct.pack("<HI", layout.CERTIFICATION_PCK_CHAIN, len(self.pck_chain)),
                self.pck_chain,
            )
        )
        auth = b"".join(
            (
                self.signature,
                self.attestation_key,
                struct.pack("<HI", layout.CERTIFICATION_QE_REPORT, len(certification)),
                certification,
            )
        )
        signed = self.header + self.body_head + self.td_report
        return signed + struct.pack("<I", len(auth)) + auth


def _take_signed(reader: ByteReader) -> tuple[bytes, bytes, bytes]:
    """Header, type and size of the body (version 5 alone), TD report."""
    header = reader.take(layout.HEADER_BYTES)
    if header.startswith(layout.TDX_V4_START):
        return header, b"", reader.take(layout.TD_REPORT_BYTES)
    if not header.startswith(layout.TDX_V5_START):
        raise QuoteMalformed(f"begins with {header[:8].hex()}")
    body_head = reader.take(layout.BODY_HEAD_BYTES)
    if body_head not in layout.V5_BODIES:
        raise QuoteMalformed(f"has a body of type and size {body_head.hex()}")
    return header, body_head, reader.take(layout.V5_BODIES[body_head])


def core_of(argument: bytes) -> bytes:
    """The core that a transaction's `quote` begins with: adapters to other verifiers take the PEM
    chain behind it. Nothing is checked.
    """
    size = layout.CORE_BYTES
    if argument.startswith(layout.TDX_V5_START):
        body = argument[layout.HEADER_BYTES : layout.HEADER_BYTES + layout.BODY_HEAD_BYTES]
        report = layout.V5_BODIES.get(body, layout.TD_REPORT_BYTES)
        size += layout.BODY_HEAD_BYTES + report - layout.TD_REPORT_BYTES
    return argument[:size]


def rebuild(
    core: bytes, leaf_der: bytes, authority_der: bytes, root_der: bytes, *, final_nul: bool = True
) -> bytes:
    """The full quote from what the chain holds: the same bytes that the enclave got, without zeros
    behind them.

    Current quoting libraries end the chain with a NUL; for the few quotes of older ones which do
    not, verifiers take either form. Raises `QuoteMalformed`, `CertificateMalformed`.
    """
    chain = pem_chain(leaf_der, authority_der, root_der)
    return Quote.from_core(core, chain + b"\x00" if final_nul else chain).encode()

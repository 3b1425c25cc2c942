# SPDX-License-Identifier: Apache-2.0
"""Parses and encodes TDX quotes of versions 4 and 5. Checks no signature."""

import struct
from dataclasses import dataclass
from typing import Self

from eth_utils.crypto import keccak

from teetee.quotes import layout
from teetee.quotes.byte_reader import ByteReader
from teetee.quotes.certificates.pck_chain import chain_from_pem, to_pem_chain
from teetee.quotes.errors import QuoteMalformed


@dataclass(frozen=True)
class TdReport:
    """The TDX module's report about the guest. Registers have 48 bytes."""

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
        extended one, which begins like a TDREPORT 1.5."""
        reader = ByteReader(body.ljust(layout.TD_REPORT_15_BYTES, b"\x00"))
        return cls(
            tee_tcb_svn=reader.read(16),
            mr_seam=reader.read(48),
            mr_signer_seam=reader.read(48),
            seam_attributes=reader.read(8),
            td_attributes=reader.read(8),
            xfam=reader.read(8),
            mr_td=reader.read(48),
            mr_config_id=reader.read(48),
            mr_owner=reader.read(48),
            mr_owner_config=reader.read(48),
            rtmrs=(reader.read(48), reader.read(48), reader.read(48), reader.read(48)),
            report_data=reader.read(64),
            tee_tcb_svn_2=reader.read(16),
            mr_service_td=reader.read(48),
        )

    @property
    def measurement(self) -> bytes:
        """keccak256(MRTD ‖ RTMR0 ‖ RTMR1 ‖ RTMR2 ‖ MRCONFIGID), as a model's allow-list has it."""
        return keccak(self.mr_td + b"".join(self.rtmrs[:3]) + self.mr_config_id)


@dataclass(frozen=True)
class Quote:
    """A quote's parts. `parse(x).encode()` is `x` without its trailing zeros."""

    header: bytes
    """48 bytes."""
    body_head: bytes
    """Type and size of the body in version 5, 6 bytes; empty in version 4."""
    td_report: bytes
    """584, 648 or 885 bytes; `report` parses them."""
    signature: bytes
    attestation_key: bytes
    """r ‖ s and x ‖ y, 64 bytes each, big-endian."""
    qe_report: bytes
    qe_report_signature: bytes
    qe_auth_data: bytes
    """32 bytes."""
    pck_chain: bytes
    """PEM: leaf, authority, root, and the NUL that Intel's library appends."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """From a guest agent's output. Raises `QuoteMalformed`."""
        if len(raw) > layout.MAX_QUOTE_BYTES:
            raise QuoteMalformed(f"has more than {layout.MAX_QUOTE_BYTES} bytes")
        quote, trailing = cls.parse_prefix(raw)
        if any(trailing):
            raise QuoteMalformed("is followed by bytes that are not zero")
        return quote

    @classmethod
    def parse_prefix(cls, raw: bytes) -> tuple[Self, bytes]:
        """The quote at the start of `raw`, and the bytes after it. Raises `QuoteMalformed`."""
        reader = ByteReader(raw)
        header, body_head, td_report = _read_signed(reader)
        auth = ByteReader(reader.read_sized("<I"))
        signature, key = auth.read(layout.SIGNATURE_BYTES), auth.read(layout.KEY_BYTES)
        certification = ByteReader(auth.read_certification(layout.CERTIFICATION_QE_REPORT))
        auth.expect_end()
        qe_report = certification.read(layout.QE_REPORT_BYTES)
        qe_report_signature = certification.read(layout.SIGNATURE_BYTES)
        qe_auth_data = certification.read_sized("<H")
        if len(qe_auth_data) != layout.QE_AUTH_BYTES:
            raise QuoteMalformed(f"has {len(qe_auth_data)} bytes of QE authentication data")
        chain = certification.read_certification(layout.CERTIFICATION_PCK_CHAIN)
        certification.expect_end()
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
        return quote, reader.remaining()

    @classmethod
    def from_core(cls, core: bytes, pck_chain: bytes) -> Self:
        """From the core that a contract verified, and a PEM chain. Raises `QuoteMalformed`."""
        reader = ByteReader(core)
        header, body_head, td_report = _read_signed(reader)
        quote = cls(
            header=header,
            body_head=body_head,
            td_report=td_report,
            signature=reader.read(layout.SIGNATURE_BYTES),
            attestation_key=reader.read(layout.KEY_BYTES),
            qe_report=reader.read(layout.QE_REPORT_BYTES),
            qe_report_signature=reader.read(layout.SIGNATURE_BYTES),
            qe_auth_data=reader.read(layout.QE_AUTH_BYTES),
            pck_chain=pck_chain,
        )
        reader.expect_end()
        return quote

    @property
    def report(self) -> TdReport:
        """The parsed TD report."""
        return TdReport.parse(self.td_report)

    def pck_chain_der(self) -> tuple[bytes, bytes, bytes]:
        """Leaf, authority and root in DER. Raises `CertificateMalformed`."""
        return chain_from_pem(self.pck_chain)

    @property
    def core(self) -> bytes:
        """The bytes that a contract verifies: 1,240 in version 4; 1,246, 1,310 or 1,547 in
        version 5."""
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
        """The quote, without trailing zeros."""
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


def _read_signed(reader: ByteReader) -> tuple[bytes, bytes, bytes]:
    """Header, body type and size (version 5 only), TD report."""
    header = reader.read(layout.HEADER_BYTES)
    if header.startswith(layout.TDX_V4_START):
        return header, b"", reader.read(layout.TD_REPORT_BYTES)
    if not header.startswith(layout.TDX_V5_START):
        raise QuoteMalformed(f"begins with {header[:8].hex()}")
    body_head = reader.read(layout.BODY_HEAD_BYTES)
    if body_head not in layout.V5_BODIES:
        raise QuoteMalformed(f"has a body of type and size {body_head.hex()}")
    return header, body_head, reader.read(layout.V5_BODIES[body_head])


def core_of_argument(argument: bytes) -> bytes:
    """The core at the start of a transaction's `quote` argument, which for adapters to other
    verifiers continues with the PEM chain. Checks nothing.
    """
    size = layout.CORE_BYTES
    if argument.startswith(layout.TDX_V5_START):
        body = argument[layout.HEADER_BYTES : layout.HEADER_BYTES + layout.BODY_HEAD_BYTES]
        report = layout.V5_BODIES.get(body, layout.TD_REPORT_BYTES)
        size += layout.BODY_HEAD_BYTES + report - layout.TD_REPORT_BYTES
    return argument[:size]


def rebuild_quote(
    core: bytes, leaf_der: bytes, authority_der: bytes, root_der: bytes, *, final_nul: bool = True
) -> bytes:
    """The full quote from what the chain stores: the bytes that the enclave got, without trailing
    zeros.

    Current quoting libraries append a NUL to the chain; older ones do not. Verifiers accept both
    forms. Raises `QuoteMalformed`, `CertificateMalformed`.
    """
    chain = to_pem_chain(leaf_der, authority_der, root_der)
    return Quote.from_core(core, chain + b"\x00" if final_nul else chain).encode()

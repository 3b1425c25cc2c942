# SPDX-License-Identifier: Apache-2.0
"""Describes any DCAP quote to a person: SGX version 3, SGX and TDX versions 4 and 5.

More lenient than `quote`: it names what it finds and refuses only what it cannot parse. Checks no
signature. Source: Intel's sgx_quote_3.h, sgx_quote_4.h, sgx_quote_5.h.
"""

import struct
from dataclasses import dataclass
from typing import Final, Self

from teetee.quotes import layout
from teetee.quotes.byte_reader import ByteReader
from teetee.quotes.certificates.pck_chain import chain_from_pem
from teetee.quotes.certificates.pck_platform import PckPlatform
from teetee.quotes.errors import CertificateMalformed, QuoteMalformed
from teetee.quotes.quote import TdReport

SGX, TDX = "SGX", "TDX"
_TEE_TYPES: Final = {0x00: SGX, 0x81: TDX}
_KEY_TYPES: Final = {2: "ECDSA over P-256", 3: "ECDSA over P-384"}
_BODIES: Final = {1: (SGX, 384), 2: (TDX, 584), 3: (TDX, 648), 4: (TDX, 885)}
_ENCRYPTED_PPID: Final = {2: "encrypted PPID", 3: "encrypted PPID"}


@dataclass(frozen=True)
class SgxReport:
    """The processor's report about an enclave, such as the quoting enclave."""

    cpu_svn: bytes
    misc_select: bytes
    attributes: bytes
    mr_enclave: bytes
    mr_signer: bytes
    product: int
    svn: int
    report_data: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """From the 384 bytes of an SGX report."""
        product, svn = struct.unpack_from("<HH", body, 256)
        return cls(
            cpu_svn=body[0:16],
            misc_select=body[16:20],
            attributes=body[48:64],
            mr_enclave=body[64:96],
            mr_signer=body[128:160],
            product=product,
            svn=svn,
            report_data=body[320:384],
        )


@dataclass(frozen=True)
class QuoteDescription:
    """The parts of a quote that a person may want to see."""

    version: int
    tee: str
    key_type: str
    qe_vendor: bytes
    user_data: bytes
    body_type: int
    """Numbered as in version 5: 1 SGX, 2 TD 1.0, 3 TD 1.5, 4 TD 1.5 extended."""
    body: bytes
    certification_type: int
    qe_report: SgxReport
    qe_auth_data: bytes
    chain: tuple[bytes, ...]
    """DER from the leaf up; empty if the quote contains no certificates."""
    platform: PckPlatform | None
    chain_problem: str
    """Why chain or platform is missing; empty if neither is."""
    bytes_used: int
    trailing_bytes: int
    trailing_is_zero: bool

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """From a quote's bytes. Raises `QuoteMalformed`, naming the broken rule."""
        reader = ByteReader(raw)
        header = reader.read(layout.HEADER_BYTES)
        version, key_type, tee_type = struct.unpack_from("<HHI", header)
        if version not in (3, 4, 5):
            raise QuoteMalformed(f"begins with {header[:8].hex()}")
        body_type, body = _body(reader, version, 0 if version == 3 else tee_type)
        auth = ByteReader(reader.read_sized("<I"))
        auth.read(layout.SIGNATURE_BYTES + layout.KEY_BYTES)
        certification = _certification(auth, version)
        qe_report = SgxReport.parse(certification.read(layout.QE_REPORT_BYTES))
        certification.read(layout.SIGNATURE_BYTES)
        qe_auth_data = certification.read_sized("<H")
        (kind,) = struct.unpack("<H", certification.read(2))
        data = certification.read_sized("<I")
        chain, platform, problem = _chain(kind, data)
        trailing = reader.remaining()
        return cls(
            version=version,
            tee=_BODIES[body_type][0],
            key_type=_KEY_TYPES.get(key_type, f"unknown ({key_type})"),
            qe_vendor=header[12:28],
            user_data=header[28:48],
            body_type=body_type,
            body=body,
            certification_type=kind,
            qe_report=qe_report,
            qe_auth_data=qe_auth_data,
            chain=chain,
            platform=platform,
            chain_problem=problem,
            bytes_used=len(raw) - len(trailing),
            trailing_bytes=len(trailing),
            trailing_is_zero=not any(trailing),
        )

    @property
    def td_report(self) -> TdReport | None:
        """None for SGX. Of an extended report, its first 648 bytes."""
        if self.tee != TDX:
            return None
        return TdReport.parse(self.body[: layout.TD_REPORT_15_BYTES])

    @property
    def sgx_report(self) -> SgxReport | None:
        """None for TDX."""
        return SgxReport.parse(self.body) if self.tee == SGX else None


def _body(reader: ByteReader, version: int, tee_type: int) -> tuple[int, bytes]:
    """Body type as numbered in version 5, and the body."""
    tee = _TEE_TYPES.get(tee_type)
    if tee is None:
        raise QuoteMalformed(f"is of TEE type 0x{tee_type:x}")
    if version < 5:
        kind = 1 if tee == SGX else 2
        return kind, reader.read(_BODIES[kind][1])
    kind, size = struct.unpack("<HI", reader.read(layout.BODY_HEAD_BYTES))
    if _BODIES.get(kind) != (tee, size):
        raise QuoteMalformed(f"has a body of type {kind} and {size} bytes for {tee}")
    return kind, reader.read(size)


def _certification(auth: ByteReader, version: int) -> ByteReader:
    """Version 3 holds the QE's report directly; later versions wrap it in certification data 6."""
    if version == 3:
        return auth
    return ByteReader(auth.read_certification(layout.CERTIFICATION_QE_REPORT))


def _chain(kind: int, data: bytes) -> tuple[tuple[bytes, ...], PckPlatform | None, str]:
    if kind != layout.CERTIFICATION_PCK_CHAIN:
        known = _ENCRYPTED_PPID.get(kind, "another kind")
        return (), None, f"certification data of type {kind}: {known}, no certificates"
    try:
        chain = chain_from_pem(data)
    except CertificateMalformed as error:
        return (), None, f"the chain {error.rule}"
    try:
        return chain, PckPlatform.parse(chain[0]), ""
    except CertificateMalformed as error:
        return chain, None, f"the leaf {error.rule}"

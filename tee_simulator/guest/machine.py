# SPDX-License-Identifier: Apache-2.0
"""One simulated TDX machine: its PCK, its quoting enclave, and the quotes they sign."""

import hashlib
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tee_simulator.guest.measurements import QE_MRENCLAVE, GuestMeasurements
from tee_simulator.guest.td_report import TdReport, header, qe_report
from tee_simulator.pki.pck_extension import PlatformIdentity
from tee_simulator.pki.signatures import p256_key, point_bytes, sign_p256
from tee_simulator.pki.simulated_pki import SimulatedPki

QUOTE_BYTES = 5006
"""dstack returns a fixed-size buffer: the quote, then zeros."""

FMSPC = b"SIMTDX"
"""Six bytes that no Intel processor has."""

COMPONENT_SVNS = bytes([4, 4, 2, 2, 4, 1, 0, 5]) + bytes(8)
PCE_SVN = 11

QE_AUTH_DATA = bytes(range(32))
"""The bytes 0 to 31, as in Intel's quoting enclave."""

CERTIFICATION_QE_REPORT, CERTIFICATION_PCK_CHAIN = 6, 5

SEED_BYTES = 32


@dataclass(frozen=True, repr=False)
class Machine:
    """Signs quotes. SIMULATED: the keys are ordinary keys in memory."""

    pki: SimulatedPki
    pck: x509.Certificate
    pck_key: ec.EllipticCurvePrivateKey
    attestation_key: ec.EllipticCurvePrivateKey
    identity: PlatformIdentity

    @classmethod
    def from_seed(cls, seed: bytes, pki: SimulatedPki, at: datetime) -> Self:
        """The machine of a seed, with a new PCK leaf that is valid from a day before `at`.

        The same seed, PKI and second give the same machine.
        """
        identity = _platform_identity(seed)
        pck_key = p256_key(_derived(seed, "pck", 48))
        return cls(
            pki=pki,
            pck=pki.issue_pck(pck_key.public_key(), identity, at),
            pck_key=pck_key,
            attestation_key=p256_key(_derived(seed, "attestation", 48)),
            identity=identity,
        )

    @classmethod
    def with_leaf(cls, seed: bytes, pki: SimulatedPki, pck: x509.Certificate) -> Self:
        """The machine of a seed, with a leaf issued earlier.

        Raises ValueError if the leaf belongs to another machine.
        """
        pck_key = p256_key(_derived(seed, "pck", 48))
        if pck.public_key() != pck_key.public_key():
            raise ValueError("the PCK leaf certifies another key")
        pck.verify_directly_issued_by(pki.platform_ca.certificate)
        return cls(
            pki=pki,
            pck=pck,
            pck_key=pck_key,
            attestation_key=p256_key(_derived(seed, "attestation", 48)),
            identity=_platform_identity(seed),
        )

    @property
    def pck_chain(self) -> bytes:
        """Leaf, authority and root as PEM, with the trailing NUL of Intel's quotes."""
        leaf = self.pck.public_bytes(Encoding.PEM)
        above = self.pki.platform_ca.pem + self.pki.root.pem
        return leaf + above.encode("ascii") + b"\x00"

    def quote(self, measurements: GuestMeasurements, report_data: bytes) -> bytes:
        """Signs a TDX v4 quote, 5,006 bytes, over 64 bytes of report data."""
        if len(report_data) != 64:
            raise ValueError(f"report data must have 64 bytes, not {len(report_data)}")
        qe_id = hashlib.sha256(b"qe id" + self.identity.ppid).digest()[:16]
        signed = header(qe_id) + TdReport(measurements, report_data).encode()
        signature = sign_p256(self.attestation_key, signed) + point_bytes(self.attestation_key)
        certification = self._certification()
        auth = (
            signature
            + struct.pack("<HI", CERTIFICATION_QE_REPORT, len(certification))
            + certification
        )
        return (signed + struct.pack("<I", len(auth)) + auth).ljust(QUOTE_BYTES, b"\x00")

    def _certification(self) -> bytes:
        """The QE's report over the attestation key, signed by the PCK, and the PCK's chain."""
        bound = hashlib.sha256(point_bytes(self.attestation_key) + QE_AUTH_DATA).digest()
        report = qe_report(self.identity.component_svns, QE_MRENCLAVE, bound + bytes(32))
        chain = self.pck_chain
        return b"".join(
            (
                report,
                sign_p256(self.pck_key, report),
                struct.pack("<H", len(QE_AUTH_DATA)),
                QE_AUTH_DATA,
                struct.pack("<HI", CERTIFICATION_PCK_CHAIN, len(chain)),
                chain,
            )
        )

    def __repr__(self) -> str:
        return f"Machine(ppid={self.identity.ppid.hex()})"


def _platform_identity(seed: bytes) -> PlatformIdentity:
    return PlatformIdentity(
        ppid=_derived(seed, "ppid", 16),
        instance_id=_derived(seed, "platform instance", 16),
        fmspc=FMSPC,
        component_svns=COMPONENT_SVNS,
        pce_svn=PCE_SVN,
    )


def _derived(seed: bytes, role: str, size: int) -> bytes:
    return hashlib.blake2b(role.encode(), key=seed, digest_size=size).digest()

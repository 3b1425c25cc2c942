# SPDX-License-Identifier: Apache-2.0
"""Evidence of a simulated machine, with all keys, so that it can be signed again after a change."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tee_simulator.collateral.conditions import Conditions
from tee_simulator.collateral.issue import issue
from tee_simulator.guest.machine import Machine
from tee_simulator.guest.measurements import GuestMeasurements
from tee_simulator.pki import der
from tee_simulator.pki.signatures import sign_p256
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.quotes import layout
from teetee.quotes.quote import Quote
from tests.attestation.evidence import Evidence

AT = 1_768_478_400
"""2026-01-15, Unix seconds."""
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


@dataclass(frozen=True)
class World:
    """A test PKI and one of its machines."""

    pki: SimulatedPki
    machine: Machine

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The same seed gives the same world."""
        pki = SimulatedPki.from_seed(seed)
        return cls(
            pki, Machine.from_seed(bytes(reversed(seed)), pki, datetime.fromtimestamp(AT, UTC))
        )

    @property
    def root(self) -> bytes:
        """DER."""
        return self.pki.root.der

    def evidence(self, conditions: Conditions | None = None, *, v5: bool = False) -> Evidence:
        """Valid evidence, apart from the given conditions."""
        issued = issue(self.pki, datetime.fromtimestamp(AT, UTC), conditions or Conditions())
        measured = GuestMeasurements.of(
            compose_hash=b"\xcc" * 32, app_id=b"\xdd" * 20, instance_id=b"\xee" * 20
        )
        core = Quote.parse(self.machine.quote(measured, b"\xaa" * 64)).core
        evidence = Evidence(
            authority=self.pki.platform_ca.der,
            leaf=self.machine.pck.public_bytes(Encoding.DER),
            signer=self.pki.tcb_signing.der,
            root_crl=issued.root_ca_crl,
            pck_crl=issued.pck_crl,
            tcb_info=issued.tcb_info.encode(),
            tcb_info_signature=issued.tcb_info_signature,
            qe_identity=issued.qe_identity.encode(),
            qe_identity_signature=issued.qe_identity_signature,
            core=core,
        )
        return replace(evidence, core=self.as_v5(core)) if v5 else evidence

    # ------------------------------------------------------------ signing again

    def as_v5(self, core: bytes, tee_tcb_svn_2: bytes | None = None) -> bytes:
        """The same quote of version 5 around a TD report 1.5."""
        report = core[48 : 48 + layout.TD_REPORT_BYTES]
        second = report[:16] if tee_tcb_svn_2 is None else tee_tcb_svn_2
        return self._as_v5(core, bytes.fromhex("030088020000"), report + second + bytes(48))

    def as_v5_extended(self, core: bytes, tail: bytes = bytes(237)) -> bytes:
        """The same quote of version 5 around a TD report 1.5 extended, which ends with `tail`."""
        report = core[48 : 48 + layout.TD_REPORT_BYTES]
        body = report + report[:16] + bytes(48) + tail
        return self._as_v5(core, bytes.fromhex("040075030000"), body)

    def _as_v5(self, core: bytes, head: bytes, body: bytes) -> bytes:
        return self.sign_quote(b"\x05" + core[1:48] + head + body + core[632:])

    def sign_quote(self, core: bytes) -> bytes:
        """By the attestation key, over the bytes before its signature."""
        end = len(core) - layout.SIGNATURES_BYTES
        return core[:end] + sign_p256(self.machine.attestation_key, core[:end]) + core[end + 64 :]

    def sign_qe_report(self, core: bytes) -> bytes:
        """By the PCK."""
        start = len(core) - layout.SIGNATURES_BYTES + 128
        report = core[start : start + layout.QE_REPORT_BYTES]
        signature = sign_p256(self.machine.pck_key, report)
        end = start + layout.QE_REPORT_BYTES
        return core[:end] + signature + core[end + 64 :]

    def sign_json(self, text: bytes) -> bytes:
        """By the signer of collateral; r ‖ s."""
        return sign_p256(self.pki.tcb_signing.key, text)

    def sign_leaf(self, to_be_signed: bytes) -> bytes:
        """A certificate or CRL of the platform authority around those bytes."""
        return signed_der(self.pki.platform_ca.key, to_be_signed)

    def sign_below_root(self, to_be_signed: bytes) -> bytes:
        """A certificate or CRL of the root around those bytes."""
        return signed_der(self.pki.root.key, to_be_signed)


def to_be_signed(signed: bytes) -> bytes:
    """The first element in a signed one."""
    start = header_bytes(signed, 0)
    return signed[start : start + element_bytes(signed, start)]


def signed_der(key: ec.EllipticCurvePrivateKey, content: bytes) -> bytes:
    """SEQUENCE { content, ecdsa-with-SHA256, BIT STRING }."""
    signature = key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return der.sequence(content, ECDSA_WITH_SHA256, der.element(0x03, b"\x00" + signature))


def header_bytes(encoded: bytes, offset: int) -> int:
    """Of the element at that offset: tag and length."""
    first = encoded[offset + 1]
    return 2 + (first & 0x7F if first & 0x80 else 0)


def element_bytes(encoded: bytes, offset: int) -> int:
    """Of the element at that offset, header included."""
    header = header_bytes(encoded, offset)
    length = encoded[offset + 1]
    if length & 0x80:
        length = int.from_bytes(encoded[offset + 2 : offset + header], "big")
    return header + length

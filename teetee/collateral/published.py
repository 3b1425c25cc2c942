# SPDX-License-Identifier: Apache-2.0
"""Collateral that a PCCS publishes, with the fields that tell if it is newer than the chain's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from teetee.chain.contracts.collateral import PlatformKind
from teetee.protocol.json import shallow as shallow_json
from teetee.quotes.collateral.signed_json import SignedJson
from teetee.quotes.errors import CollateralInvalid


@dataclass(frozen=True)
class PublishedJson:
    """TCB info or QE identity. Not verified here; the contracts do."""

    signed: SignedJson
    signer: bytes
    root: bytes
    """DER of the signer's certificate and of the root."""
    issued_at: int
    next_update: int
    """Unix seconds."""
    identity: str
    """"TDX" of a TCB info, "TD_QE" of the identity of TDX's quoting enclave."""
    number: int
    """tcbEvaluationDataNumber."""
    kind: PlatformKind | None
    """None for a QE identity."""

    @classmethod
    def parse(cls, signed: SignedJson, signer: bytes, root: bytes) -> Self:
        """From the signed JSON and its issuer chain. Raises `CollateralInvalid`."""
        try:
            content = shallow_json.load(signed.text.encode())
            number = content["tcbEvaluationDataNumber"]
            if not isinstance(number, int) or number < 0:
                raise ValueError("no number")
            return cls(
                signed=signed,
                signer=signer,
                root=root,
                issued_at=_seconds(content["issueDate"]),
                next_update=_seconds(content["nextUpdate"]),
                identity=str(content["id"]),
                number=number,
                kind=_kind(content),
            )
        except (ValueError, KeyError, TypeError):
            raise CollateralInvalid("lacks an id, a date, a number or its FMSPC") from None


@dataclass(frozen=True)
class PublishedCrl:
    """A revocation list in DER."""

    der: bytes
    issuer: bytes
    root: bytes
    """DER of their certificates; equal for the root's own list."""
    issued_at: int
    next_update: int
    """Unix seconds."""

    def require_signed(self) -> None:
        """Raises `CollateralInvalid` unless its issuer's key signed it. For what costs gas before
        the contracts can tell.
        """
        try:
            key = x509.load_der_x509_certificate(self.issuer).public_key()
            crl = x509.load_der_x509_crl(self.der)
            is_signed = isinstance(key, ec.EllipticCurvePublicKey) and crl.is_signature_valid(key)
        except ValueError:
            is_signed = False
        if not is_signed:
            raise CollateralInvalid("has a CRL that its issuer did not sign")

    @classmethod
    def parse(cls, der: bytes, issuer: bytes, root: bytes) -> Self:
        """From DER and its issuer chain. Raises `CollateralInvalid`."""
        try:
            crl = x509.load_der_x509_crl(der)
            until = crl.next_update_utc
            if until is None:
                raise CollateralInvalid("has a CRL without nextUpdate")
            issued_at = int(crl.last_update_utc.timestamp())
            return cls(der, issuer, root, issued_at, int(until.timestamp()))
        except ValueError:
            raise CollateralInvalid("has a malformed CRL") from None


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _kind(content: dict[str, Any]) -> PlatformKind | None:
    if "fmspc" not in content:
        return None
    return PlatformKind(bytes.fromhex(content["fmspc"]), bytes.fromhex(content["pceId"]))

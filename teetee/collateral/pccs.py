# SPDX-License-Identifier: Apache-2.0
"""Reads collateral from Intel's PCS, or from a PCCS such as Intel's, Phala's or the simulator's.

API version 4, with two differences: Intel's PCS has no `rootcacrl`, but its root certificate names
the address; a PCCS may return CRLs in hexadecimal. Source: Intel's API documentation (PCS,
version 4) and the PCCS of SGXDataCenterAttestationPrimitives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from teetee.chain.contracts.collateral import PlatformKind
from teetee.collateral.pccs_connection import Answer, PccsConnection
from teetee.collateral.published import PublishedCrl, PublishedJson
from teetee.quotes.certificates.pck_chain import certificates_from_pem
from teetee.quotes.collateral.signed_json import QE_IDENTITY, TCB_INFO, SignedJson
from teetee.quotes.errors import CertificateMalformed, CollateralInvalid, CollateralUnavailable

PLATFORM_CA: Final = "platform"
PROCESSOR_CA: Final = "processor"

_TDX: Final = "/tdx/certification/v4"
_SGX: Final = "/sgx/certification/v4"
# Services write these headers with and without SGX- before them.
_TCB_CHAIN: Final = "TCB-Info-Issuer-Chain"
_QE_CHAIN: Final = "SGX-Enclave-Identity-Issuer-Chain"
_CRL_CHAIN: Final = "SGX-PCK-CRL-Issuer-Chain"
_TDX_IDS: Final = {TCB_INFO: "TDX", QE_IDENTITY: "TD_QE"}


class PccsReader:
    """One service. Calls raise `CollateralUnavailable` (retryable) or `CollateralInvalid`."""

    def __init__(
        self,
        url: str,
        session: requests.Session | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises `PccsAddressInvalid`."""
        self._connection = PccsConnection(url, (_TDX, _SGX), session, wait)

    @property
    def name(self) -> str:
        """Scheme, host and port; user and path may be secret."""
        return self._connection.shown

    def tcb_info(self, kind: PlatformKind, number: int | None = None) -> PublishedJson:
        """For a kind of platform: the standard one, or the one with an evaluation number."""
        parameters = {"fmspc": kind.fmspc.hex().upper(), **_numbered(number)}
        response = self._connection.get(f"{_TDX}/tcb", parameters)
        found = _published(response, TCB_INFO, _TCB_CHAIN, number)
        if found.kind != kind:
            raise CollateralInvalid(f"has TCB info for {found.kind} instead of {kind}")
        return found

    def qe_identity(self, number: int | None = None) -> PublishedJson:
        """The TD quoting enclave's: the standard one, or the one with an evaluation number."""
        response = self._connection.get(f"{_TDX}/qe/identity", _numbered(number))
        return _published(response, QE_IDENTITY, _QE_CHAIN, number)

    def pck_crl(self, authority: str = PLATFORM_CA) -> PublishedCrl:
        """The CRL of the Platform CA, which issues the PCK certificates of TDX machines, or of the
        Processor CA.
        """
        parameters = {"ca": authority, "encoding": "der"}
        response = self._connection.get(f"{_SGX}/pckcrl", parameters)
        issuer, root = _issuers(response.headers, _CRL_CHAIN)
        return PublishedCrl.parse(_crl_der(response.content), issuer, root)

    def root_crl(self, root: bytes) -> PublishedCrl:
        """The root's CRL, from this service or from the address in the root certificate (DER)."""
        try:
            response = self._connection.get(f"{_SGX}/rootcacrl", {})
        except CollateralUnavailable as missing:
            place = _distribution_point(root)
            if place is None or missing.status != HTTPStatus.NOT_FOUND:
                raise
            response = self._connection.get_elsewhere(place)
        return PublishedCrl.parse(_crl_der(response.content), root, root)


def _numbered(number: int | None) -> dict[str, str]:
    return {} if number is None else {"tcbEvaluationDataNumber": str(number)}


def _published(answer: Answer, name: str, header: str, number: int | None) -> PublishedJson:
    try:
        text = answer.content.decode("utf-8")
    except UnicodeDecodeError:
        raise CollateralInvalid(f"has a {name} that is not text") from None
    signer, root = _issuers(answer.headers, header)
    found = PublishedJson.parse(SignedJson.parse(text, name), signer, root)
    if found.identity != _TDX_IDS[name]:
        raise CollateralInvalid(
            f"has a {name} of {found.identity[:40]!r} instead of {_TDX_IDS[name]!r}"
        )
    if number is not None and found.number != number:
        raise CollateralInvalid(
            f"has a {name} with evaluation number {found.number} instead of {number}"
        )
    return found


def _issuers(headers: Mapping[str, str], header: str) -> tuple[bytes, bytes]:
    """DER of the signer's certificate and of the root."""
    plain = header.removeprefix("SGX-")
    given = [headers[name] for name in (plain, f"SGX-{plain}") if name in headers]
    text = next((each for each in given if each.strip()), None)
    if text is None:
        raise CollateralInvalid(f"comes {'with an empty' if given else 'without'} {header}")
    try:
        chain = certificates_from_pem(_pem_of(text))
    except CertificateMalformed as error:
        raise CollateralInvalid(f"has a {header} that {error.rule}") from None
    if len(chain) != 2:
        raise CollateralInvalid(f"has {len(chain)} certificates in {header} instead of 2")
    return chain[0], chain[1]


def _pem_of(header: str) -> bytes:
    """Percent-encoded; by some libraries with + for a space."""
    if "BEGIN+CERTIFICATE" in header:
        header = header.replace("+", " ")
    return unquote(header).encode("latin-1", "replace")


def _crl_der(content: bytes) -> bytes:
    """DER from DER, PEM or hexadecimal digits."""
    text = content.strip()
    try:
        if text.startswith(b"-----BEGIN"):
            return x509.load_pem_x509_crl(text).public_bytes(Encoding.DER)
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return content


def _distribution_point(root: bytes) -> str | None:
    """The root certificate's https address for its CRL; None if it has none."""
    try:
        points = (
            x509.load_der_x509_certificate(root)
            .extensions.get_extension_for_class(x509.CRLDistributionPoints)
            .value
        )
    except (ValueError, x509.ExtensionNotFound, x509.InvalidVersion):
        return None
    names = (name.value for point in points for name in point.full_name or ())
    return next((str(name) for name in names if str(name).startswith("https://")), None)

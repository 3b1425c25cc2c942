# SPDX-License-Identifier: Apache-2.0
"""Reads collateral from Intel's PCS, or from a PCCS such as Intel's, Phala's or the simulator's.

API version 4, with two differences: Intel's PCS has no `rootcacrl`, but its root certificate names
the address; a PCCS may return CRLs in hexadecimal. Source: Intel's API documentation (PCS,
version 4) and the PCCS of SGXDataCenterAttestationPrimitives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from teetee.chain.contracts.collateral import PlatformKind
from teetee.chain.urls import public_url
from teetee.collateral.published import PublishedCrl, PublishedJson
from teetee.quotes.certificates.pck_chain import certificates_from_pem
from teetee.quotes.collateral.signed_json import QE_IDENTITY, TCB_INFO, SignedJson
from teetee.quotes.errors import CertificateMalformed, CollateralInvalid, CollateralUnavailable

TIMEOUT_SECONDS: Final = 20.0
MAX_RESPONSE_BYTES: Final = 1 << 20

_TDX: Final = "/tdx/certification/v4"
_SGX: Final = "/sgx/certification/v4"
_TCB_CHAIN: Final = ("TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain")
_QE_CHAIN: Final = ("SGX-Enclave-Identity-Issuer-Chain",)
_CRL_CHAIN: Final = ("SGX-PCK-CRL-Issuer-Chain",)


@dataclass(frozen=True)
class _Answer:
    content: bytes
    headers: Mapping[str, str]
    """Case-insensitive."""


class PccsReader:
    """One service. Calls raise `CollateralUnavailable` (retryable) or `CollateralInvalid`."""

    def __init__(self, url: str, session: requests.Session | None = None) -> None:
        address = url.rstrip("/")
        for version in (_TDX, _SGX):
            address = address.removesuffix(version)
        self._address = address
        self._shown = public_url(address)
        self._session = session or requests.Session()

    @property
    def name(self) -> str:
        """Scheme, host and port; user and path may be secret."""
        return self._shown

    def tcb_info(self, kind: PlatformKind, number: int | None = None) -> PublishedJson:
        """For a kind of platform: the standard one, or the one with an evaluation number."""
        parameters = {"fmspc": kind.fmspc.hex().upper(), **_numbered(number)}
        response = self._get(f"{_TDX}/tcb", parameters)
        return _published(response, TCB_INFO, _TCB_CHAIN)

    def qe_identity(self, number: int | None = None) -> PublishedJson:
        """The TD quoting enclave's: the standard one, or the one with an evaluation number."""
        response = self._get(f"{_TDX}/qe/identity", _numbered(number))
        return _published(response, QE_IDENTITY, _QE_CHAIN)

    def pck_crl(self) -> PublishedCrl:
        """The CRL of the Platform CA, which issues the PCK certificates of TDX machines."""
        response = self._get(f"{_SGX}/pckcrl", {"ca": "platform", "encoding": "der"})
        authority, root = _issuers(response.headers, _CRL_CHAIN)
        return PublishedCrl.parse(_crl_der(response.content), authority, root)

    def root_crl(self, root: bytes) -> PublishedCrl:
        """The root's CRL, from this service or from the address in the root certificate (DER)."""
        try:
            response = self._get(f"{_SGX}/rootcacrl", {})
        except CollateralUnavailable as missing:
            place = _distribution_point(root)
            if place is None or missing.reason != _status_of(HTTPStatus.NOT_FOUND):
                raise
            response = self._fetch(place, {}, public_url(place))
        return PublishedCrl.parse(_crl_der(response.content), root, root)

    def _get(self, path: str, parameters: Mapping[str, str]) -> _Answer:
        return self._fetch(self._address + path, parameters, self._shown)

    def _fetch(self, address: str, parameters: Mapping[str, str], shown: str) -> _Answer:
        try:
            response = self._session.get(
                address, params=dict(parameters), timeout=TIMEOUT_SECONDS, stream=True
            )
            length = 0
            parts = []
            for part in response.iter_content(1 << 14):
                length += len(part)
                if length > MAX_RESPONSE_BYTES:
                    raise CollateralInvalid(
                        f"from {shown} has more than {MAX_RESPONSE_BYTES} bytes"
                    )
                parts.append(part)
        except (requests.RequestException, ValueError) as error:
            raise CollateralUnavailable(shown, _reason(error)) from None
        if response.status_code != HTTPStatus.OK:
            raise CollateralUnavailable(shown, _status_of(response.status_code))
        return _Answer(b"".join(parts), response.headers)


def _numbered(number: int | None) -> dict[str, str]:
    return {} if number is None else {"tcbEvaluationDataNumber": str(number)}


def _status_of(status: int) -> str:
    return f"HTTP {int(status)}"


def _reason(error: Exception) -> str:
    # Never the error's own text: it contains the whole address.
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__


def _published(response: _Answer, name: str, headers: tuple[str, ...]) -> PublishedJson:
    try:
        text = response.content.decode("utf-8")
    except UnicodeDecodeError:
        raise CollateralInvalid(f"has a {name} that is not text") from None
    signer, root = _issuers(response.headers, headers)
    return PublishedJson.parse(SignedJson.parse(text, name), signer, root)


def _issuers(headers: Mapping[str, str], names: tuple[str, ...]) -> tuple[bytes, bytes]:
    """DER of the signer's certificate and of the root."""
    given = next((headers[name] for name in names if name in headers), None)
    if given is None:
        raise CollateralInvalid(f"comes without {names[0]}")
    try:
        chain = certificates_from_pem(unquote(given).encode("latin-1", "replace"))
    except CertificateMalformed as error:
        raise CollateralInvalid(f"has a {names[0]} that {error.rule}") from None
    if len(chain) != 2:
        raise CollateralInvalid(f"has {len(chain)} certificates in {names[0]} instead of 2")
    return chain[0], chain[1]


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

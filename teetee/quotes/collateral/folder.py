# SPDX-License-Identifier: Apache-2.0
"""Reads collateral from a folder of files, as a PCCS serves them:

    tcb_info.json       {"tcbInfo": {…}, "signature": "…"}
    qe_identity.json    {"enclaveIdentity": {…}, "signature": "…"}
    pck_crl.der         of the authority that issued the PCK certificate
    root_ca_crl.der     both also as PEM, or in hexadecimal as some PCCSs serve them

Certificates beside them (*.pem, *.der, *.crt, also in `certs/` there or two folders up) complete
the set; Intel's own may be missing.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import dcap_qvl

from teetee.quotes.certificates import intel
from teetee.quotes.certificates.issuers import common_name, issuer_of_crl, signer_of
from teetee.quotes.certificates.pck_chain import to_pem
from teetee.quotes.collateral.dcap_qvl_json import Collateral
from teetee.quotes.collateral.signed_json import QE_IDENTITY, TCB_INFO, SignedJson
from teetee.quotes.errors import (
    CertificateMalformed,
    CollateralInvalid,
    NoCollateralInFolder,
)

TCB_INFO_FILE: Final = "tcb_info.json"
QE_IDENTITY_FILE: Final = "qe_identity.json"
PCK_CRL_FILE: Final = "pck_crl.der"
ROOT_CRL_FILE: Final = "root_ca_crl.der"
FILES: Final = (TCB_INFO_FILE, QE_IDENTITY_FILE, PCK_CRL_FILE, ROOT_CRL_FILE)

MAX_FILE_BYTES: Final = 1 << 20
_CERTIFICATE_SUFFIXES: Final = (".pem", ".der", ".crt", ".cer")
_CRL_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_CRL_PEM = re.compile(rb"-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class CollateralSet:
    """Everything that a quote is verified with, and its signers. All certificates in DER."""

    tcb_info: SignedJson
    qe_identity: SignedJson
    pck_crl: bytes
    root_crl: bytes
    tcb_signer: bytes
    qe_signer: bytes
    pck_authority: bytes
    root: bytes

    @classmethod
    def read(cls, folder: Path, root_der: bytes, at: int) -> Self:
        """From a folder, for a verification at Unix time `at` up to that root.

        Checks the files' form only. Raises `CollateralInvalid`.
        """
        files = {name: _crl(folder / name) for name in (PCK_CRL_FILE, ROOT_CRL_FILE)}
        tcb_info = _signed_json(folder / TCB_INFO_FILE, TCB_INFO)
        qe_identity = _signed_json(folder / QE_IDENTITY_FILE, QE_IDENTITY)
        candidates = (*_certificates(folder), *intel.intermediates())
        authority = issuer_of_crl(files[PCK_CRL_FILE], candidates, at)
        return cls(
            tcb_info=tcb_info,
            qe_identity=qe_identity,
            pck_crl=files[PCK_CRL_FILE],
            root_crl=files[ROOT_CRL_FILE],
            tcb_signer=_signer(tcb_info, candidates, at),
            qe_signer=_signer(qe_identity, candidates, at),
            pck_authority=authority or intel.certificate("pck_platform_ca"),
            root=root_der,
        )

    def as_collateral(self) -> Collateral:
        """In dcap-qvl's form. Raises `CollateralInvalid`."""
        root = to_pem(self.root)
        try:
            parts = dcap_qvl.QuoteCollateralV3(
                to_pem(self.pck_authority) + root,
                self.root_crl,
                self.pck_crl,
                to_pem(self.tcb_signer) + root,
                self.tcb_info.text,
                self.tcb_info.signature,
                to_pem(self.qe_signer) + root,
                self.qe_identity.text,
                self.qe_identity.signature,
            )
        except CertificateMalformed as error:
            raise CollateralInvalid(f"comes with a certificate that {error.rule}") from error
        except (ValueError, TypeError) as error:
            raise CollateralInvalid("is not in dcap-qvl's form") from error
        return Collateral(parts.to_json())


def require_collateral_files(folder: Path) -> None:
    """Raises `NoCollateralInFolder` for a folder with none of the files."""
    if not any((folder / name).exists() for name in FILES):
        raise NoCollateralInFolder(str(folder), FILES)


def _crl(path: Path) -> bytes:
    """DER if it can be decoded, else the file's content: the verifiers refuse it."""
    content = _file(path)
    text = content.strip()
    if _CRL_HEX.fullmatch(text):
        return bytes.fromhex(text.decode("ascii"))
    enclosed = _CRL_PEM.fullmatch(text)
    try:
        return (
            base64.b64decode(b"".join(enclosed[1].split()), validate=True) if enclosed else content
        )
    except ValueError:
        return content


def _signed_json(path: Path, name: str) -> SignedJson:
    try:
        return SignedJson.parse(_file(path).decode("utf-8-sig"), name)
    except UnicodeDecodeError:
        raise CollateralInvalid(f"has a {path.name} that is not text") from None


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CollateralInvalid(f"lacks {path.name} ({reason})") from None
    if not content or len(content) > MAX_FILE_BYTES:
        raise CollateralInvalid(f"has a {path.name} that is empty or too large")
    return content


def _signer(signed: SignedJson, candidates: tuple[bytes, ...], at: int) -> bytes:
    """Its signer; if unknown, Intel's newest, with which verification fails."""
    found = signer_of(signed.text.encode(), signed.signature, candidates, at)
    named = (der for der in candidates if "TCB Signing" in common_name(der))
    return found or next(named, intel.certificate("tcb_signing_2025"))


def _certificates(folder: Path) -> Iterator[bytes]:
    """DER of all certificates beside the collateral; skips other files."""
    for place in (folder, folder / "certs", folder.parent.parent / "certs"):
        try:
            paths = sorted(place.iterdir()) if place.is_dir() else []
        except OSError:
            continue
        for path in paths:
            if path.suffix.lower() in _CERTIFICATE_SUFFIXES and not path.name.endswith("crl.der"):
                yield from _certificates_in(path)


def _certificates_in(path: Path) -> Iterator[bytes]:
    try:
        content = _file(path)
    except CollateralInvalid:
        return
    bodies = _PEM.findall(content)
    for body in bodies:
        try:
            yield base64.b64decode(b"".join(body.split()), validate=True)
        except ValueError:
            continue
    if not bodies:
        yield content

# SPDX-License-Identifier: Apache-2.0
"""Checks a shard's quote, rebuilt from the chain, by dcap-qvl and Intel's collateral.

The deployment pins the root certificate. Without collateral, every quote is refused.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import dcap_qvl
from cryptography import x509

from teetee.chain.contracts.certificates import CertificateChain
from teetee.client.errors import CertificateMissing, CollateralMissing, NoCollateralSource
from teetee.client.times import format_time
from teetee.collateral.quote_collateral import fetch_collateral
from teetee.protocol.json import shallow as shallow_json
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.collateral.dcap_qvl_json import Collateral
from teetee.quotes.errors import CollateralInvalid
from teetee.quotes.quote import Quote, rebuild_quote
from teetee.quotes.verification import ONLY_UP_TO_DATE, verify_quote


class CertificateStore(Protocol):
    """The PCK certificates on chain."""

    def chain(self, pck_id: bytes) -> CertificateChain:
        """Read the chain from leaf to root. Raises a `TeeTeeError` if it cannot be read."""


class CollateralSource(Protocol):
    """A source of Intel's collateral."""

    def collateral(self, quote: bytes) -> Collateral:
        """Get the collateral for the quote's platform. Raises a `TeeTeeError` if there is none."""


@dataclass(frozen=True)
class AcceptedQuote:
    """The facts of a quote that dcap-qvl accepts."""

    tcb_status: str
    report_data: bytes
    measurement: bytes
    basis: str


class PccsCollateral:
    """Collateral from a PCCS or Intel's PCS, fetched once per platform."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[str, Collateral] = {}

    def collateral(self, quote: bytes) -> Collateral:
        """Fetch it, or raise `CollateralUnavailable`."""
        fmspc = _fmspc(quote)
        if fmspc not in self._known:
            self._known[fmspc] = fetch_collateral(self._url, quote)
        return self._known[fmspc]


class FolderCollateral:
    """Collateral from a folder of files in dcap-qvl's JSON form."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collateral(self, quote: bytes) -> Collateral:
        """Read the platform's file. Raises `CollateralMissing`, `CollateralInvalid`."""
        wanted = _fmspc(quote)
        for path in sorted(self._folder.glob("*.json")):
            try:
                found = Collateral.parse(path.read_text(encoding="utf-8-sig"))
            except (OSError, UnicodeDecodeError):
                raise CollateralInvalid(f"in {path} cannot be read") from None
            if found.fmspc == wanted:
                return found
        raise CollateralMissing(str(self._folder), wanted)


class NoCollateral:
    """No source was named: every check fails and says how to name one."""

    def collateral(self, quote: bytes) -> Collateral:
        """Raise `NoCollateralSource`."""
        raise NoCollateralSource


class QuoteCheck:
    """Checks quotes up to the pinned root (`root_fingerprint`: SHA-256 of the DER certificate).

    `accepted`: TCB statuses that pass.
    """

    def __init__(
        self,
        certificates: CertificateStore,
        source: CollateralSource,
        *,
        root_fingerprint: bytes,
        accepted: Collection[str] = ONLY_UP_TO_DATE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._certificates = certificates
        self._source = source
        self._root_fingerprint = root_fingerprint
        self._accepted = accepted
        self._clock = clock

    def check(self, core: bytes, pck_id: bytes, at: int) -> AcceptedQuote:
        """Rebuild it and check it as of Unix time `at`, or of the collateral's issue if later.

        Raises what `teetee.quotes` raises, `CertificateMissing`, and the chain's errors.
        """
        chain = self._certificates.chain(pck_id)
        if certificate_id(chain.leaf) != pck_id:
            raise CertificateMissing("PCK", pck_id)
        if hashlib.sha256(chain.root).digest() != self._root_fingerprint:
            raise CertificateMissing("pinned root", pck_id)
        quote = rebuild_quote(core, chain.leaf, chain.authority, chain.root)
        return self.check_quote(quote, chain.root, at)

    def check_quote(self, quote: bytes, root: bytes, at: int) -> AcceptedQuote:
        """Check a whole quote up to `root`, which the caller has compared with the pinned one."""
        collateral = self._source.collateral(quote)
        # Collateral is only valid from its issue. Later knowledge counts for an earlier quote too;
        # older collateral would miss revocations.
        checked_at = max(at, issued_at(collateral))
        if checked_at > max(at, self._clock()):
            raise CollateralInvalid(
                f"is from the future: it was issued at {format_time(checked_at)}"
            )
        verified = verify_quote(quote, collateral, root, checked_at, accepted=self._accepted)
        report = Quote.parse(quote).report
        basis = f"by {named(collateral)}, as of {format_time(checked_at)}"
        if checked_at > at:
            basis += " (when its collateral was issued)"
        if verified.advisory_ids:
            basis += f", advisories {' '.join(verified.advisory_ids)}"
        return AcceptedQuote(verified.status, report.report_data, report.measurement, basis)


def issued_at(collateral: Collateral) -> int:
    """When its newest part was issued, Unix seconds. Raises `CollateralInvalid`."""
    parts = collateral.to_dcap_qvl()
    try:
        dates = [
            datetime.fromisoformat(shallow_json.load(text.encode())["issueDate"])
            for text in (parts.tcb_info, parts.qe_identity)
        ]
        dates += [
            x509.load_der_x509_crl(crl).last_update_utc
            for crl in (parts.root_ca_crl, parts.pck_crl)
        ]
        return int(max(date.timestamp() for date in dates))
    except (ValueError, KeyError, TypeError):
        raise CollateralInvalid("has a part without an issue date") from None


def named(collateral: Collateral) -> str:
    """Describe its TCB info, for people. Raises `CollateralInvalid`."""
    try:
        content = shallow_json.load(collateral.to_dcap_qvl().tcb_info.encode())
        number, issued = content["tcbEvaluationDataNumber"], content["issueDate"]
        return f"TCB info {int(number)} of {collateral.fmspc} issued {str(issued)[:10]}"
    except (ValueError, KeyError, TypeError):
        raise CollateralInvalid("has TCB info without number or date") from None


def _fmspc(quote: bytes) -> str:
    """The kind of platform that the quote's collateral is for: 12 upper-case hex digits."""
    try:
        return str(dcap_qvl.parse_quote(quote).fmspc()).upper()
    except ValueError:
        raise CollateralInvalid("cannot be chosen: the quote names no platform") from None

# SPDX-License-Identifier: Apache-2.0
"""A shard's quote, put together from the chain and judged by dcap-qvl with Intel's collateral.

The chain pins the root and has checked every signature; what it has not checked (TCB level,
revocation) is checked here. Without collateral there is no verdict, and no verdict is a refusal.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import dcap_qvl
from cryptography import x509

from teetee.chain.contracts.certificates import CertificateChain
from teetee.client.errors import CertificateMissing, CollateralMissing, NoCollateralSource
from teetee.protocol.json import shallow as shallow_json
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.collateral.dcap_qvl_json import Collateral
from teetee.quotes.errors import CollateralInvalid
from teetee.quotes.quote import Quote, rebuild
from teetee.quotes.verification import ONLY_UP_TO_DATE, fetch_collateral, verify_quote


class CertificateStore(Protocol):
    """The PCK certificates that a chain keeps."""

    def chain(self, pck_id: bytes) -> CertificateChain:
        """From the leaf to the root. Raises a `TeeTeeError` if they are not to be had."""


class CollateralSource(Protocol):
    """Where Intel's collateral comes from."""

    def collateral(self, quote: bytes) -> Collateral:
        """For the quote's platform. Raises a `TeeTeeError` when there is none."""


@dataclass(frozen=True)
class AcceptedQuote:
    """A quote that dcap-qvl accepts."""

    tcb_status: str
    report_data: bytes
    measurement: bytes
    basis: str


class PccsCollateral:
    """From a PCCS, or Intel's PCS; asked once per platform."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[str, Collateral] = {}

    def collateral(self, quote: bytes) -> Collateral:
        """Raises `CollateralUnavailable`."""
        fmspc = _fmspc(quote)
        if fmspc not in self._known:
            self._known[fmspc] = fetch_collateral(self._url, quote)
        return self._known[fmspc]


class FolderCollateral:
    """From files in dcap-qvl's JSON form, kept beside a quote for later audits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collateral(self, quote: bytes) -> Collateral:
        """The file for the quote's platform. Raises `CollateralMissing`, `CollateralInvalid`."""
        wanted = _fmspc(quote)
        for path in sorted(self._folder.glob("*.json")):
            try:
                found = Collateral.parse(path.read_text())
            except (OSError, UnicodeDecodeError):
                raise CollateralInvalid(f"in {path} cannot be read") from None
            if found.fmspc == wanted:
                return found
        raise CollateralMissing(str(self._folder), wanted)


class NoCollateral:
    """Nobody named a source: every check fails, and says how to name one."""

    def collateral(self, quote: bytes) -> Collateral:
        """Raises `NoCollateralSource`."""
        raise NoCollateralSource


class QuoteCheck:
    """Judges quotes, up to the root that the deployment pins (`root_fingerprint`: SHA-256)."""

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
        """Verify the quote as of Unix time `at`, or as of its collateral's issue if that is later.

        Raises what `teetee.quotes` raises, `CertificateMissing`, and the chain's errors.
        """
        chain = self._certificates.chain(pck_id)
        if certificate_id(chain.leaf) != pck_id:
            raise CertificateMissing("PCK", pck_id)
        if hashlib.sha256(chain.root).digest() != self._root_fingerprint:
            raise CertificateMissing("pinned root", pck_id)
        quote = rebuild(core, chain.leaf, chain.authority, chain.root)
        return self.check_quote(quote, chain.root, at)

    def check_quote(self, quote: bytes, root: bytes, at: int) -> AcceptedQuote:
        """The same for a whole quote and a root which the caller has checked."""
        collateral = self._source.collateral(quote)
        # Collateral can be no older than its own signature: what is known later counts for an
        # earlier quote as well, and the other way round would be blind to revocations.
        judged_at = max(at, issued_at(collateral))
        if judged_at > max(at, self._clock()):
            raise CollateralInvalid(f"was issued only at {_shown(judged_at)}")
        verdict = verify_quote(quote, collateral, root, judged_at, accepted=self._accepted)
        report = Quote.parse(quote).report
        basis = f"by {named(collateral)}, as of {_shown(judged_at)}"
        if judged_at > at:
            basis += " (when its collateral was issued)"
        if verdict.advisory_ids:
            basis += f", advisories {' '.join(verdict.advisory_ids)}"
        return AcceptedQuote(verdict.status, report.report_data, report.measurement, basis)


def issued_at(collateral: Collateral) -> int:
    """When its youngest part was signed, Unix seconds. Raises `CollateralInvalid`."""
    parts = collateral.as_dcap_qvl()
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
        raise CollateralInvalid("has a part without a date of issue") from None


def named(collateral: Collateral) -> str:
    """Which TCB info it holds, for people. Raises `CollateralInvalid`."""
    try:
        content = shallow_json.load(collateral.as_dcap_qvl().tcb_info.encode())
        number, issued = content["tcbEvaluationDataNumber"], content["issueDate"]
        return f"TCB info {int(number)} of {collateral.fmspc} issued {str(issued)[:10]}"
    except (ValueError, KeyError, TypeError):
        raise CollateralInvalid("has TCB info without number or date") from None


def _fmspc(quote: bytes) -> str:
    """Which platforms the quote's collateral is for: 12 hex digits, upper case."""
    try:
        return str(dcap_qvl.parse_quote(quote).fmspc()).upper()
    except ValueError:
        raise CollateralInvalid("cannot be chosen: the quote names no platform") from None


def _shown(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

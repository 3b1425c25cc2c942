# SPDX-License-Identifier: Apache-2.0
"""Verifies a quote off chain: dcap-qvl up to a root of the caller's choice, plus stricter rules.

Stricter than dcap-qvl alone: the platform must be up to date unless the caller accepts another
status by name; CRLs issued in the future, quotes followed by other bytes, and TDs with an owner are
refused, as the contract refuses them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import dcap_qvl

from teetee.quotes.collateral.dcap_qvl_json import Collateral
from teetee.quotes.errors import QuoteRefused, TcbStatusRefused
from teetee.quotes.quote import Quote, TdReport

INTEL_PCS_URL: Final = dcap_qvl.INTEL_PCS_URL
UP_TO_DATE: Final = "UpToDate"

ONLY_UP_TO_DATE: Final = frozenset({UP_TO_DATE})


@dataclass(frozen=True)
class QuoteVerdict:
    """The result for a quote whose signatures are all valid."""

    status: str
    """`UpToDate`, or one that the caller accepted."""
    advisory_ids: tuple[str, ...]
    """Intel's security advisories for the platform."""


def verify_quote(
    quote: bytes,
    collateral: Collateral,
    root_ca_der: bytes,
    at: int,
    *,
    accepted: Collection[str] = ONLY_UP_TO_DATE,
) -> QuoteVerdict:
    """Verify the full quote, certificates included, as of the Unix time `at`.

    Raises `QuoteMalformed`, `CollateralInvalid`, `QuoteRefused`, or `TcbStatusRefused` if the
    status is not in `accepted`.
    """
    _require_production(Quote.parse(quote).report)
    collateral.require_crls_issued(at)
    try:
        report = dcap_qvl.verify_with_root_ca(quote, collateral.to_dcap_qvl(), root_ca_der, at)
    except ValueError as error:
        raise QuoteRefused(_reason(error)) from error
    verdict = QuoteVerdict(report.status, tuple(report.advisory_ids))
    if verdict.status not in accepted:
        raise TcbStatusRefused(verdict.status, verdict.advisory_ids)
    return verdict


def _require_production(report: TdReport) -> None:
    if any(report.mr_owner) or any(report.mr_owner_config):
        raise QuoteRefused("MROWNER or MROWNERCONFIG is set")
    if any(report.mr_signer_seam) or any(report.seam_attributes):
        raise QuoteRefused("its TDX module is not Intel's")


def _reason(error: ValueError) -> str:
    """dcap-qvl's error and its causes on one line."""
    lines = [line.strip() for line in str(error).splitlines()]
    return ", ".join(line for line in lines if line and line != "Caused by:").rstrip(".")

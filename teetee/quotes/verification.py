# SPDX-License-Identifier: Apache-2.0
"""Whether a quote proves what it says: by dcap-qvl, up to a root of the caller's choice, and
strictly.

Stricter than dcap-qvl alone: the platform has to be up to date unless the caller accepts another
status by name, CRLs of the future and quotes with foreign bytes behind them are refused, and so is
a TD with an owner, as the contract refuses it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import dcap_qvl

from teetee.quotes.collateral.collateral import Collateral
from teetee.quotes.errors import QuoteRefused, TcbStatusRefused
from teetee.quotes.quote import Quote, TdReport

UP_TO_DATE: Final = "UpToDate"

ONLY_UP_TO_DATE: Final = frozenset({UP_TO_DATE})


@dataclass(frozen=True)
class QuoteVerdict:
    """What Intel's collateral says about a quote whose signatures all hold."""

    status: str
    """`UpToDate`, or one that the caller accepted."""
    advisory_ids: tuple[str, ...]
    """Intel's security advisories which concern the platform."""


def verify(
    quote: bytes,
    collateral: Collateral,
    root_ca_der: bytes,
    at: int,
    *,
    accepted: Collection[str] = ONLY_UP_TO_DATE,
) -> QuoteVerdict:
    """Checks the full quote, certificates included, at that Unix second.

    Raises `QuoteMalformed`, `CollateralInvalid`, `QuoteRefused`, and `TcbStatusRefused` when the
    status is not among the accepted ones.
    """
    parsed = Quote.parse(quote)
    _require_unowned(parsed.report)
    collateral.require_issued(at)
    try:
        report = dcap_qvl.verify_with_root_ca(quote, collateral.as_dcap_qvl(), root_ca_der, at)
    except ValueError as error:
        raise QuoteRefused(_reason(error)) from error
    verdict = QuoteVerdict(report.status, tuple(report.advisory_ids))
    if verdict.status not in accepted:
        raise TcbStatusRefused(verdict.status, verdict.advisory_ids)
    return verdict


def _require_unowned(report: TdReport) -> None:
    if any(report.mr_owner) or any(report.mr_owner_config):
        raise QuoteRefused("MROWNER or MROWNERCONFIG is set")
    if any(report.mr_signer_seam) or any(report.seam_attributes):
        raise QuoteRefused("its TDX module is not Intel's")


def _reason(error: ValueError) -> str:
    """dcap-qvl's words on one line: what failed, and below what."""
    lines = [line.strip() for line in str(error).splitlines()]
    return ", ".join(line for line in lines if line and line != "Caused by:").rstrip(".")

# SPDX-License-Identifier: Apache-2.0
"""TDX quotes on the wallet's side: taken apart, put together from what a chain holds, checked by
dcap-qvl.

Knows no chain and no contract, but speaks of cores, ids and measurements as contracts do
(docs/protocol.md section 3).
"""

from teetee.quotes.certificates.pck_chain import certificate_id, chain_der, platform_id
from teetee.quotes.claims import PckFacts, QuoteClaims, pck_facts, quote_hash
from teetee.quotes.collateral.collateral import INTEL_PCS_URL, Collateral, fetch_collateral
from teetee.quotes.layout import CORE_BYTES
from teetee.quotes.quote import Quote, TdReport, rebuild
from teetee.quotes.verification import QuoteVerdict, verify

__all__ = [
    "CORE_BYTES",
    "INTEL_PCS_URL",
    "Collateral",
    "PckFacts",
    "Quote",
    "QuoteClaims",
    "QuoteVerdict",
    "TdReport",
    "certificate_chain_der",
    "certificate_id",
    "chain_der",
    "fetch_collateral",
    "measurement",
    "parse",
    "pck_facts",
    "pck_leaf_der",
    "platform_id",
    "quote_hash",
    "rebuild",
    "trim_to_core",
    "verify",
]


def parse(quote: bytes) -> Quote:
    """The parts of a full quote. Raises `QuoteMalformed`."""
    return Quote.parse(quote)


def trim_to_core(quote: bytes) -> bytes:
    """What goes into a transaction: 1,240 bytes or a few more. Raises `QuoteMalformed`."""
    return Quote.parse(quote).core


def certificate_chain_der(quote: bytes) -> tuple[bytes, bytes, bytes]:
    """Leaf, authority and root in DER. Raises `QuoteMalformed`, `CertificateMalformed`."""
    return chain_der(Quote.parse(quote).pck_chain)


def pck_leaf_der(quote: bytes) -> bytes:
    """The PCK leaf in DER. Raises `QuoteMalformed`, `CertificateMalformed`."""
    return certificate_chain_der(quote)[0]


def measurement(quote: bytes) -> bytes:
    """32 bytes: what a model's allow-list names. Raises `QuoteMalformed`."""
    return Quote.parse(quote).report.measurement

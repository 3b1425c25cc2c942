# SPDX-License-Identifier: Apache-2.0
"""Published gas figures of other projects' contracts, for comparison.

They are not measured here, because building those contracts takes minutes. Each figure names its
source.
"""

from dataclasses import asdict, dataclass
from typing import Any

MEASURED = "whole transaction, solc 0.8.37 with via-IR, osaka, P256VERIFY at 6,900"
AUTOMATA = "automata-dcap-attestation 2df31aa, automata-on-chain-pccs 5241b64"
FLASHTESTATIONS = "receipts of broadcasts in flashbots/flashtestations 67792ed"


@dataclass(frozen=True)
class PublishedGasFigure:
    """One figure, or the range of several."""

    name: str
    call: str
    min_gas: int
    max_gas: int
    source: str

    @property
    def text(self) -> str:
        """The figure for a table."""
        low, high = f"{self.min_gas:,}", f"{self.max_gas:,}"
        return f"{self.name} {low}" if low == high else f"{self.name} {low} – {high}"


PUBLISHED: dict[str, tuple[PublishedGasFigure, ...]] = {
    "enrolKnownPlatform": (
        PublishedGasFigure(
            "Automata",
            "verifyAndAttestOnChain, TDX version 4: verification alone, nothing stored",
            3_981_841,
            3_981_841,
            f"{AUTOMATA}; {MEASURED}",
        ),
        PublishedGasFigure(
            "flashtestations",
            "registerTEEService, Automata's verification included",
            7_392_814,
            8_931_626,
            FLASHTESTATIONS,
        ),
    ),
    "pckCertificate": (
        PublishedGasFigure(
            "Automata", "upsertPcsCertificates", 804_000, 905_000, f"{AUTOMATA}; {MEASURED}"
        ),
    ),
    "tcbInfo": (
        PublishedGasFigure(
            "Automata", "upsertFmspcTcb", 5_816_638, 9_002_701, f"{AUTOMATA}; {MEASURED}"
        ),
    ),
    "qeIdentity": (
        PublishedGasFigure(
            "Automata", "upsertEnclaveIdentity", 1_455_882, 1_455_882, f"{AUTOMATA}; {MEASURED}"
        ),
    ),
    "platformCrl": (
        PublishedGasFigure(
            "Automata", "upsertPckCrl, 44 entries", 3_116_020, 3_116_020, f"{AUTOMATA}; {MEASURED}"
        ),
    ),
    "rootCrl": (
        PublishedGasFigure(
            "Automata", "upsertRootCACrl", 558_935, 558_935, f"{AUTOMATA}; {MEASURED}"
        ),
    ),
}
"""By the names of `GasFigures`."""


def as_json() -> dict[str, list[dict[str, Any]]]:
    """The `peers` object of `results/gas.json`."""
    return {key: [_as_json(each) for each in figures] for key, figures in PUBLISHED.items()}


def _as_json(figure: PublishedGasFigure) -> dict[str, Any]:
    """With the names of the committed results."""
    names = {"min_gas": "least", "max_gas": "most"}
    return {names.get(name, name): value for name, value in asdict(figure).items()}

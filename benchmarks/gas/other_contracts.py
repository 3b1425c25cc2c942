# SPDX-License-Identifier: Apache-2.0
"""What the contracts of others take for the same, to stand beside our figures.

They are not measured here: building them takes minutes. Each figure names where it comes from.
"""

from dataclasses import asdict, dataclass
from typing import Any

MEASURED = "whole transaction, solc 0.8.37 with via-IR, osaka, P256VERIFY at 6,900"
AUTOMATA = "automata-dcap-attestation 2df31aa, automata-on-chain-pccs 5241b64"
FLASHTESTATIONS = "receipts of broadcasts in flashbots/flashtestations 67792ed"


@dataclass(frozen=True)
class Peer:
    """One figure, or the least and the most of several."""

    name: str
    call: str
    least: int
    most: int
    source: str

    @property
    def shown(self) -> str:
        """For a table."""
        gas = f"{self.least:,}" if self.least == self.most else f"{self.least:,} – {self.most:,}"
        return f"{self.name} {gas}"


PEERS: dict[str, tuple[Peer, ...]] = {
    "enrolKnownPlatform": (
        Peer(
            "Automata",
            "verifyAndAttestOnChain, TDX version 4: verification alone, nothing stored",
            3_981_841,
            3_981_841,
            f"{AUTOMATA}; {MEASURED}",
        ),
        Peer(
            "flashtestations",
            "registerTEEService, Automata's verification included",
            7_392_814,
            8_931_626,
            FLASHTESTATIONS,
        ),
    ),
    "pckCertificate": (
        Peer("Automata", "upsertPcsCertificates", 804_000, 905_000, f"{AUTOMATA}; {MEASURED}"),
    ),
    "tcbInfo": (
        Peer("Automata", "upsertFmspcTcb", 5_816_638, 9_002_701, f"{AUTOMATA}; {MEASURED}"),
    ),
    "qeIdentity": (
        Peer("Automata", "upsertEnclaveIdentity", 1_455_882, 1_455_882, f"{AUTOMATA}; {MEASURED}"),
    ),
    "platformCrl": (
        Peer(
            "Automata", "upsertPckCrl, 44 entries", 3_116_020, 3_116_020, f"{AUTOMATA}; {MEASURED}"
        ),
    ),
    "rootCrl": (Peer("Automata", "upsertRootCACrl", 558_935, 558_935, f"{AUTOMATA}; {MEASURED}"),),
}
"""By the names of our figures."""


def as_json() -> dict[str, list[dict[str, Any]]]:
    """All of them."""
    return {key: [asdict(peer) for peer in peers] for key, peers in PEERS.items()}

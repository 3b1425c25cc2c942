"""One quote judged twice: by dcap-qvl, and by our contracts on a chain of their own.

The two share no code. Where they differ without a reason in docs/attestation.md, one of them is
wrong.
"""

from teetee.verdicts.court import Court
from teetee.verdicts.verdict import OffChainVerdict, OnChainVerdict, VerdictPair

__all__ = ["Court", "OffChainVerdict", "OnChainVerdict", "VerdictPair"]

# SPDX-License-Identifier: Apache-2.0
"""Two verifiers' verdicts on one quote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class OffChainVerdict:
    """dcap-qvl's: accepted with the platform's status, or refused with a reason."""

    ok: bool
    status: str | None = None
    advisory_ids: tuple[str, ...] = ()
    error: str | None = None

    @classmethod
    def refused(cls, error: str) -> Self:
        """A refusal with a reason."""
        return cls(ok=False, error=error)

    def to_json(self) -> dict[str, Any]:
        """Missing values are null."""
        return {
            "ok": self.ok,
            "status": self.status,
            "advisoryIds": list(self.advisory_ids),
            "error": self.error,
        }


@dataclass(frozen=True)
class OnChainVerdict:
    """Our contracts'. Statuses are spelled as by Intel and dcap-qvl."""

    ok: bool
    status: str | None = None
    error: str | None = None
    gas: int | None = None
    """Of the transaction that verified the quote; None if there was none."""

    @classmethod
    def refused(cls, error: str, gas: int | None = None) -> Self:
        """A refusal with a reason."""
        return cls(ok=False, error=error, gas=gas)

    def to_json(self) -> dict[str, Any]:
        """Missing values are null."""
        return {"ok": self.ok, "status": self.status, "error": self.error, "gas": self.gas}


@dataclass(frozen=True)
class VerdictPair:
    """Both verdicts, with the same quote, collateral, root and time."""

    dcap_qvl: OffChainVerdict
    on_chain: OnChainVerdict

    @property
    def agree(self) -> bool:
        """Whether both refuse, or both accept with the same status."""
        if self.dcap_qvl.ok != self.on_chain.ok:
            return False
        return not self.dcap_qvl.ok or self.dcap_qvl.status == self.on_chain.status

    def to_json(self) -> dict[str, Any]:
        """As `teetee quote check --json` prints it."""
        return {
            "dcapQvl": self.dcap_qvl.to_json(),
            "onChain": self.on_chain.to_json(),
            "agree": self.agree,
        }

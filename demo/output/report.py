# SPDX-License-Identifier: Apache-2.0
"""The report for programs, `build/demo.json`. Written atomically, also when the demo fails."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SIMULATED = (
    (
        "TEE hardware: the enclaves are ordinary processes without memory protection; their "
        "quotes have Intel's format, but chain to a new test root"
    ),
    "the chain: anvil on this machine instead of Base; its tokens have no value",
    "the hosts: three wallets on one machine",
)
REAL = (
    (
        "the contracts, and their on-chain verification of every quote: signatures, certificates, "
        "revocation lists, TCB level"
    ),
    "the split model: three processes, each with its own layers only, linked by mutual TLS 1.3",
    "the encryption of question and answer, the receipts, the payment, the verification",
)


@dataclass
class Report:
    """The facts so far; a failed demo lacks the rest."""

    question: str
    facts: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    def add(self, facts: Mapping[str, Any]) -> None:
        """Add facts by name."""
        self.facts.update(facts)

    @property
    def proven(self) -> bool:
        """Whether everything that the demo promises is true."""
        promised = ("answerEqualsUnsplit", "sumsUp", "verified")
        return self.error is None and all(self.facts.get(name) is True for name in promised)

    def as_json(self, seconds: Mapping[str, float]) -> dict[str, Any]:
        """The whole report, with the seconds of each phase."""
        report: dict[str, Any] = {"question": self.question, **self.facts}
        report["seconds"] = dict(seconds)
        report["simulated"] = list(SIMULATED)
        if self.error is not None:
            report["error"] = self.error
        return report

    def write(self, path: Path, seconds: Mapping[str, float]) -> None:
        """Replace the file at `path`. It contains the question, so only its owner can read it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        text = json.dumps(self.as_json(seconds), indent=2, ensure_ascii=False) + "\n"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

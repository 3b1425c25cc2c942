# SPDX-License-Identifier: Apache-2.0
"""The options and the outcome of a benchmark."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
"""The folder of the committed results."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    results: Path
    """The folder to write to."""
    quick: bool = False
    """Shorter and less precise, if the benchmark supports it; overwrites no committed results."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results, for people and for programs."""

    table: str
    figures: dict[str, Any]

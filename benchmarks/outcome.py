# SPDX-License-Identifier: Apache-2.0
"""What a benchmark is told, and what it gives back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
"""Where committed results are."""


@dataclass(frozen=True, slots=True)
class Options:
    """From the command line."""

    results: Path
    """Folder to write into."""
    quick: bool = False
    """Less exact in less time, where a benchmark knows how; nothing committed is overwritten."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured: for people, and for programs."""

    table: str
    figures: dict[str, Any]

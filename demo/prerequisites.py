# SPDX-License-Identifier: Apache-2.0
"""What `make setup` brings, looked for before anything is started."""

from __future__ import annotations

import shutil
from pathlib import Path

from demo.cli import TEETEE
from demo.errors import Unprepared
from demo.plan import ROOT


def require_tools(root: Path = ROOT, teetee: Path = TEETEE) -> None:
    """Raises `Unprepared` for the first thing that is missing."""
    if shutil.which("node") is None:
        raise Unprepared(
            "Node is not installed, and the compiler needs it",
            "Install Node 20 or later, then run `make setup`.",
        )
    for path, what in (
        (root / "node_modules", "The compiler, anvil and OpenZeppelin are not installed"),
        (root / ".venv-ape" / "bin" / "ape", "ape is not installed"),
        (root / "build" / "solcx", "The compiler is not where ape looks for it"),
        (teetee, "The `teetee` command is not installed beside this Python"),
    ):
        if not path.exists():
            raise Unprepared(f"{what} ({path} is missing)")

# SPDX-License-Identifier: Apache-2.0
"""Checks that `make setup` has installed everything, before anything is started."""

from __future__ import annotations

import shutil
from pathlib import Path

from demo.cli import TEETEE
from demo.errors import ToolMissing
from demo.plan import ROOT


def require_tools(root: Path = ROOT, teetee: Path = TEETEE) -> None:
    """Raises `ToolMissing` for the first thing that is missing."""
    if shutil.which("node") is None:
        raise ToolMissing(
            "Node is not installed, and the compiler needs it",
            "Install Node 20 or later, then run `make setup`.",
        )
    for path, problem in (
        (root / "node_modules", "The compiler, anvil and OpenZeppelin are not installed"),
        (root / ".venv-ape" / "bin" / "ape", "ape is not installed"),
        (root / "build" / "solcx", "The compiler is not where ape looks for it"),
        (teetee, "The `teetee` command is not installed beside this Python"),
    ):
        if not path.exists():
            raise ToolMissing(f"{problem} ({path} is missing)")

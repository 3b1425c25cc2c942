# SPDX-License-Identifier: Apache-2.0
"""Calls of the real `teetee` command, as a person at a terminal would make them, with `--json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.errors import OutputUnreadable, ProcessEnded
from demo.folders import Folders
from demo.local_chain import LocalChain
from demo.processes.environment import environment
from demo.processes.process_group import Argument
from demo.processes.run_process import OnLine
from demo.processes.supervisor import Supervisor
from demo.wallets import Wallet

TEETEE = Path(sys.executable).with_name("teetee")
SECONDS = 300.0


@dataclass(frozen=True)
class Said:
    """How a command ended. `value` is its JSON; for a failed one often `{"error": …}`."""

    status: int
    value: Any = field(repr=False)

    @property
    def error(self) -> str:
        """The class of the error it ended with; empty when it did not."""
        named = self.value.get("error") if isinstance(self.value, dict) else None
        return str(named["name"]) if isinstance(named, dict) else ""


@dataclass(frozen=True)
class TeeTeeCommand:
    """`teetee` at one chain."""

    supervisor: Supervisor
    folders: Folders
    chain: LocalChain
    collateral: str

    def variables(self, wallet: Wallet | None = None) -> dict[str, str]:
        """What a person would export to use `teetee` here."""
        return {
            "TEETEE_RPC_URL": self.chain.url,
            "TEETEE_DEPLOYMENT": str(self.folders.deployment),
            "TEETEE_PCCS": self.collateral,
            "XDG_STATE_HOME": str(self.folders.wallet),
            "XDG_CONFIG_HOME": str(self.folders.wallet),
            **(wallet.environment if wallet else {}),
        }

    def call(
        self,
        log: str,
        *arguments: Argument,
        wallet: Wallet | None = None,
        given: bytes = b"",
        on_out: OnLine | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Any:
        """What it said as JSON. Raises `ProcessEnded`, `ProcessSilent`, `OutputUnreadable`."""
        said = self.attempt(log, *arguments, wallet=wallet, given=given, on_out=on_out, more=more)
        if said.status:
            path = self.folders.logs / f"{log}.log"
            raise ProcessEnded(f"teetee {arguments[0]}", said.status, path, said.error)
        return said.value

    def attempt(
        self,
        log: str,
        *arguments: Argument,
        wallet: Wallet | None = None,
        given: bytes = b"",
        on_out: OnLine | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Said:
        """The same, but a failure is an outcome. Raises `ProcessSilent`, `OutputUnreadable`."""
        finished = self.supervisor.run(
            log,
            [TEETEE, *arguments, "--json"],
            environment({**self.variables(wallet), **(more or {})}),
            seconds=SECONDS,
            given=given,
            on_out=on_out,
            may_fail=True,
        )
        try:
            # With --stream, lines of the answer come first.
            return Said(finished.status, json.loads(_last_value(finished.out)))
        except ValueError:
            raise OutputUnreadable(f"teetee {arguments[0]}", "is not JSON") from None


def _last_value(out: bytes) -> bytes:
    """A single value may take many lines; of several, each takes one."""
    lines = out.splitlines()
    return lines[-1] if lines and lines[-1].startswith(b"{") else out

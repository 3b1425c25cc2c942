# SPDX-License-Identifier: Apache-2.0
"""Calls of the `teetee` command, as made at a terminal, with `--json`."""

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
from demo.processes.run_process import OnLine, RunningProcess
from demo.processes.supervisor import Supervisor
from demo.wallets import Wallet

TEETEE = Path(sys.executable).with_name("teetee")
SECONDS = 300.0


@dataclass(frozen=True)
class CommandResult:
    """How a command ended. `value` is its JSON; for a failed one often `{"error": …}`."""

    status: int
    value: Any = field(repr=False)

    @property
    def error(self) -> str:
        """The class of its error; empty on success."""
        error = self.value.get("error") if isinstance(self.value, dict) else None
        return str(error["name"]) if isinstance(error, dict) else ""


@dataclass(frozen=True)
class RunningCommand:
    """A command in progress."""

    name: str
    log: Path
    process: RunningProcess

    def result(self) -> CommandResult:
        """Wait for its end, in success or failure. Raises `ProcessSilent`, `OutputUnreadable`."""
        finished = self.process.finish(SECONDS, may_fail=True)
        try:
            # With --stream, the lines of the answer come first.
            return CommandResult(finished.status, json.loads(_last_value(finished.stdout)))
        except ValueError:
            raise OutputUnreadable(self.name, "is not JSON") from None

    def value(self) -> Any:
        """Wait for its success. Raises `ProcessEnded`, `ProcessSilent`, `OutputUnreadable`."""
        result = self.result()
        if result.status:
            raise ProcessEnded(self.name, result.status, self.log, result.error)
        return result.value


@dataclass(frozen=True)
class TeeTeeCommand:
    """`teetee` on one chain."""

    supervisor: Supervisor
    folders: Folders
    chain: LocalChain
    collateral: str
    """Address of the collateral service."""

    def variables(self, wallet: Wallet | None = None) -> dict[str, str]:
        """The environment of its calls."""
        return {
            "TEETEE_RPC_URL": self.chain.url,
            "TEETEE_DEPLOYMENT": str(self.folders.deployment),
            "TEETEE_PCCS": self.collateral,
            "XDG_STATE_HOME": str(self.folders.wallet),
            "XDG_CONFIG_HOME": str(self.folders.wallet),
            **(wallet.environment if wallet else {}),
        }

    def begin(
        self,
        log: str,
        *arguments: Argument,
        wallet: Wallet | None = None,
        stdin: bytes = b"",
        on_line: OnLine | None = None,
        more: Mapping[str, str] | None = None,
    ) -> RunningCommand:
        """Start a call; `more` are further variables."""
        process = self.supervisor.begin(
            log,
            [TEETEE, *arguments, "--json"],
            environment({**self.variables(wallet), **(more or {})}),
            stdin=stdin,
            on_line=on_line,
        )
        return RunningCommand(f"teetee {arguments[0]}", self.folders.logs / f"{log}.log", process)

    def call(
        self,
        log: str,
        *arguments: Argument,
        wallet: Wallet | None = None,
        stdin: bytes = b"",
        on_line: OnLine | None = None,
    ) -> Any:
        """The JSON of a call that must succeed. Raises what `RunningCommand.value` raises."""
        return self.begin(log, *arguments, wallet=wallet, stdin=stdin, on_line=on_line).value()

    def attempt(
        self,
        log: str,
        *arguments: Argument,
        wallet: Wallet | None = None,
        stdin: bytes = b"",
        more: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """The result of a call that may fail. Raises what `RunningCommand.result` raises."""
        return self.begin(log, *arguments, wallet=wallet, stdin=stdin, more=more).result()


def _last_value(stdout: bytes) -> bytes:
    """A single value may take several lines; of several values, each takes one."""
    lines = stdout.splitlines()
    return lines[-1] if lines and lines[-1].startswith(b"{") else stdout

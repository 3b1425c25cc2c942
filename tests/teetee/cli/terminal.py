# SPDX-License-Identifier: Apache-2.0
"""Calls of the command as from a shell without a terminal, in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from teetee.cli.app import application
from tests.teetee.client.lab import Lab


@dataclass(frozen=True)
class CliResult:
    """How a call ended, and its output."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """All of stdout as one value."""
        return json.loads(self.out)


def teetee(
    *arguments: str, env: Mapping[str, str] | None = None, given: str | None = None
) -> CliResult:
    """No variable of the caller's own environment reaches it unless given."""
    silenced = dict.fromkeys(
        (
            *("TEETEE_PRIVATE_KEY", "TEETEE_PASSPHRASE", "TEETEE_KEYSTORE", "TEETEE_NETWORK"),
            *("TEETEE_DEPLOYMENT", "TEETEE_RPC_URL", "TEETEE_PCCS", "TEETEE_DEBUG", "FORCE_COLOR"),
        )
    )
    result = CliRunner().invoke(
        application, list(arguments), env={**silenced, **(env or {})}, input=given
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CliResult(result.exit_code, result.stdout, result.stderr)


def on_terminal(*arguments: str, env: Mapping[str, str] | None = None) -> CliResult:
    """The same, on a terminal of 80 columns without colours."""
    return teetee(*arguments, env={**(env or {}), "TTY_COMPATIBLE": "1", "TERM": "dumb"})


def at_lab(lab: Lab, folder: Path, account: Any = None) -> dict[str, str]:
    """The environment of a wallet at the lab's chain."""
    environment = {
        "TEETEE_DEPLOYMENT": str(lab.deployment_file),
        "TEETEE_RPC_URL": lab.chain.url,
        "TEETEE_PCCS": lab.pccs_url,
        "XDG_STATE_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    if account is not None:
        environment["TEETEE_PRIVATE_KEY"] = "0x" + bytes(account.key).hex()
    return environment

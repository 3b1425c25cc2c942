# SPDX-License-Identifier: Apache-2.0
"""Calls scripts as `ape run` does, in this process, on the chain which the tests are connected to.

The layout's rule stands: nothing imports `scripts`; ape finds them by name.
"""

import json
from pathlib import Path
from typing import Any

from ape import networks
from ape._cli import cli
from click.testing import CliRunner, Result

NETWORK = "base:local:foundry"


class Scripts:
    """`ape run …` on one deployment file."""

    def __init__(self, deployment: Path) -> None:
        self.deployment = deployment

    def run(self, *arguments: str, account: str | None = None) -> Result:
        """Run to the end, whatever it is."""
        script = [*arguments, "--network", NETWORK]
        if account is not None:
            script += ["--account", account]
        environment = {
            # the script connects to the chain of the tests instead of starting one
            "APE_FOUNDRY_HOST": networks.provider.uri,
            "TEETEE_DEPLOYMENT": str(self.deployment),
            "TEETEE_PRIVATE_KEY": None,
            "COLUMNS": "200",
        }
        return CliRunner().invoke(cli, ["run", *script], env=environment)

    def succeed(self, *arguments: str, account: str | None = None) -> str:
        """Its output; fails the test when the script fails."""
        result = self.run(*arguments, account=account)
        assert result.exit_code == 0, f"{result.output}{result.exception!r}"
        return result.output

    def fail(self, *arguments: str, account: str | None = None) -> str:
        """Its complaint; fails the test when the script succeeds, or dies of something else."""
        result = self.run(*arguments, account=account)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit), repr(result.exception)
        return result.output

    def facts(self, *arguments: str, account: str | None = None) -> dict[str, Any]:
        """What a script with --json says."""
        said: dict[str, Any] = json.loads(
            last_line(self.succeed(*arguments, "--json", account=account))
        )
        return said


def last_line(output: str) -> str:
    """Without what ape says about its own doing."""
    return output.strip().splitlines()[-1]

# SPDX-License-Identifier: Apache-2.0
"""Calls scripts as `ape run` does, in this process, on the chain of the tests.

Nothing imports `scripts`: ape finds them by name.
"""

import json
from pathlib import Path
from typing import Any

from ape import networks
from ape._cli import cli
from click.testing import CliRunner, Result


class Scripts:
    """`ape run …` on one deployment file."""

    def __init__(self, deployment: Path) -> None:
        self.deployment = deployment

    def run(self, *arguments: str, account: str | None = None) -> Result:
        """Run to the end, in success or failure."""
        script = list(arguments)
        if account is not None:
            script += ["--account", account]
        environment = {
            # connect to the chain of the tests instead of starting one
            "APE_FOUNDRY_HOST": networks.provider.uri,
            "TEETEE_DEPLOYMENT": str(self.deployment),
            "TEETEE_PRIVATE_KEY": None,
            "COLUMNS": "200",
        }
        return CliRunner().invoke(cli, ["run", *script], env=environment)

    def succeed(self, *arguments: str, account: str | None = None) -> str:
        """The output; fails the test when the script fails."""
        result = self.run(*arguments, account=account)
        assert result.exit_code == 0, f"{result.output}{result.exception!r}"
        return result.output

    def fail(self, *arguments: str, account: str | None = None) -> str:
        """The error text; fails the test when the script succeeds or raises an unexpected error."""
        result = self.run(*arguments, account=account)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit), repr(result.exception)
        return result.output

    def facts(self, *arguments: str, account: str | None = None) -> dict[str, Any]:
        """The JSON value that a script with --json prints."""
        output = self.succeed(*arguments, "--json", account=account)
        facts: dict[str, Any] = json.loads(last_line(output))
        return facts


def last_line(output: str) -> str:
    """The output without ape's own messages."""
    return output.strip().splitlines()[-1]

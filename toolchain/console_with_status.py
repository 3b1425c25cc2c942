# SPDX-License-Identifier: Apache-2.0
"""Runs `ape console` so that `-c CODE` exits with status 1 at the first error.

ape itself prints the traceback, continues with the next line and exits with status 0.
"""

import sys
from typing import Any

import ape_console._cli as console
from ape._cli import cli
from IPython import InteractiveShell


def execute(code: list[str], **shell_arguments: Any) -> None:
    """Runs the lines in order, up to the first that fails."""
    shell = InteractiveShell.instance(**shell_arguments)
    for line in code:
        result = shell.run_cell(line, store_history=True)
        if not result.success:
            sys.exit(1)


if __name__ == "__main__":
    console._execute_code = execute
    cli(prog_name="ape")

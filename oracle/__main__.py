# SPDX-License-Identifier: Apache-2.0
"""The enclave's process: `python -m oracle run [--settings FILE]`, `python -m oracle settings`."""

import argparse
import os
import sys
from pathlib import Path

# Set before any library reads its own settings: no warnings that quote values.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from oracle.process.logs import open_log
from oracle.process.server import Server
from oracle.process.settings import describe_settings, read_settings
from teetee.errors import TeeTeeError


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 after a regular stop, and 1 if it must not serve; stderr says why."""
    parser = argparse.ArgumentParser(prog="python -m oracle", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve as a shard until SIGTERM or SIGINT")
    run.add_argument(
        "--settings", type=Path, help="TOML or .env file; environment variables take precedence"
    )
    commands.add_parser("settings", help="describe all settings")
    chosen = parser.parse_args(arguments)
    if chosen.command == "settings":
        sys.stdout.write(describe_settings() + "\n")
        return 0
    return _run(chosen.settings)


def _run(file: Path | None) -> int:
    log = open_log()
    try:
        Server(read_settings(file), log).run()
    except TeeTeeError as error:
        log.error("the process ends", error=error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

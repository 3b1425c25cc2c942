# SPDX-License-Identifier: Apache-2.0
"""The enclave's process: `python -m oracle run`, `python -m oracle settings`."""

import argparse
import os
import sys
from pathlib import Path

from oracle.isolation.environment import isolate_environment
from oracle.isolation.memory import protect_memory
from teetee.errors import TeeTeeError


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 after a regular stop, and 1 if it must not serve; stderr says why."""
    parser = argparse.ArgumentParser(prog="python -m oracle", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve as a shard until SIGTERM or SIGINT")
    run.add_argument("--measured", type=Path, help="TOML file with the measured settings")
    run.add_argument("--digest", help="SHA-256 of the measured file, from the compose document")
    run.add_argument(
        "--settings",
        type=Path,
        help="TOML or .env file of the host's; environment variables take precedence",
    )
    settings = commands.add_parser("settings", help="describe all settings")
    settings.add_argument(
        "--measured", type=Path, help="print the digest of this measured file, and check its names"
    )
    chosen = parser.parse_args(arguments)
    if chosen.command == "settings":
        return _describe(chosen.measured)
    return _run(chosen)


def _describe(measured: Path | None) -> int:
    from oracle.process.settings_reference import describe_measured, describe_settings

    try:
        text = describe_settings() if measured is None else describe_measured(measured)
    except TeeTeeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(text + "\n")
    return 0


def _run(chosen: argparse.Namespace) -> int:
    from oracle.process.logs import open_log, report_uncaught_errors

    log = open_log()
    report_uncaught_errors(log)
    try:
        # Before any other library reads its own settings.
        isolate_environment(os.environ)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        protect_memory()
        from oracle.process.server import Server
        from oracle.process.settings_sources import read_settings

        settings = read_settings(chosen.settings, measured=chosen.measured, digest=chosen.digest)
        Server(settings, log).run()
    except TeeTeeError as error:
        log.error("the process ends", error=error)
        return 1
    except Exception as error:  # noqa: BLE001 - its text could hold a setting: only its class is logged
        log.error("the process ends", error=error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""`python -m tee_simulator`: `pki` creates the test root, `serve` runs one enclave's guest agent,
`pccs` serves collateral.

Exit status: 0 after a clean stop, 2 for invalid arguments, 3 if retrying may help, 4 if something
must be changed first.
"""

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tee_simulator.collateral.conditions import ConditionsFile
from tee_simulator.collateral.pccs import Pccs
from tee_simulator.errors import Retryable, SimulatorError
from tee_simulator.guest.compose import Compose
from tee_simulator.guest.enclave import Clock, SimulatedEnclave, utc_now
from tee_simulator.guest.guest_agent import GuestAgent
from tee_simulator.http_server import HttpServer
from tee_simulator.notice import SIMULATED
from tee_simulator.pki.simulated_pki import SimulatedPki

LOG = logging.getLogger("tee_simulator")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    LOG.warning(SIMULATED)
    try:
        options.run(options)
    except SimulatorError as error:
        LOG.error("%s", error)
        return 3 if isinstance(error, Retryable) else 4
    return 0


def _pki(options: argparse.Namespace) -> None:
    pki = SimulatedPki.open(options.directory)
    _print_json_line(
        {
            "pki": {
                "directory": str(options.directory),
                "root": pki.root.der.hex(),
                "simulated": True,
            }
        }
    )


def _serve(options: argparse.Namespace) -> None:
    compose = Compose.read(options.compose) if options.compose else None
    pki = SimulatedPki.open(options.pki or options.directory / "pki")
    enclave = SimulatedEnclave.open(
        options.directory, options.enclave, pki, compose, _clock(options.at)
    )
    with HttpServer.on_socket(options.socket, GuestAgent(enclave)):
        _run_until_stopped(
            {
                "socket": str(options.socket),
                "enclave": enclave.name,
                "composeHash": enclave.compose.hash.hex(),
                "ppid": enclave.machine.identity.ppid.hex(),
            }
        )


def _pccs(options: argparse.Namespace) -> None:
    pki = SimulatedPki.open(options.pki)
    service = Pccs(pki, _clock(options.at), ConditionsFile(options.pki))
    with HttpServer.on_loopback(options.port, service) as listener:
        _run_until_stopped({"url": f"http://127.0.0.1:{listener.port}"})


def _run_until_stopped(ready: dict[str, Any]) -> None:
    """Reports that it is ready, then waits for SIGTERM or SIGINT."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    _print_json_line({"ready": {**ready, "simulated": True}})
    stopped.wait()
    LOG.info("stopped")


def _print_json_line(line: dict[str, Any]) -> None:
    """Prints one line of JSON to stdout, for the program that started the simulator."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _clock(at: datetime | None) -> Clock:
    """The machine's clock, or one that showed `at` when the command began."""
    if at is None:
        return utc_now
    offset: timedelta = at - utc_now()
    return lambda: utc_now() + offset


def _instant(text: str) -> datetime:
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), UTC)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} must be Unix seconds or ISO 8601") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tee_simulator",
        description=f"Simulates TDX machines for tests and demos. {SIMULATED}",
        epilog="Exit status: 0 clean stop, 2 invalid arguments, 3 retry may help, 4 fatal error.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_pki_options(
        commands.add_parser(
            "pki",
            help="create the test root and its authorities",
            description=f"Creates the test root and its authorities once. {SIMULATED}",
            epilog="Example: python -m tee_simulator pki --directory build/simulator/pki",
        )
    )
    _add_serve_options(
        commands.add_parser(
            "serve",
            help="run one enclave's guest agent",
            description=f"Serves dstack's guest-agent API for one enclave. {SIMULATED}",
            epilog="Example: python -m tee_simulator serve --directory build/simulator "
            "--enclave entry --socket /tmp/entry.sock",
        )
    )
    _add_pccs_options(
        commands.add_parser(
            "pccs",
            help="serve collateral like Intel's PCS",
            description=f"Serves collateral by the API of Intel's PCS. {SIMULATED}",
            epilog="Example: python -m tee_simulator pccs --port 8081 --pki build/simulator/pki",
        )
    )
    return parser


def _add_pki_options(command: argparse.ArgumentParser) -> None:
    help_text = "folder for root.der, root.pem and the secret seed"
    command.add_argument("--directory", type=Path, required=True, help=help_text)
    command.set_defaults(run=_pki)


def _add_serve_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--directory", type=Path, required=True, help="folder of the enclaves' identities")
    add("--enclave", required=True, help="name of the enclave in that folder")
    add("--socket", type=Path, required=True, help="unix socket to listen on")
    add("--pki", type=Path, help="folder of the test PKI (default: DIRECTORY/pki)")
    add("--compose", type=Path, help="app-compose.json, whose hash goes into MRCONFIGID")
    _add_clock_option(command)
    command.set_defaults(run=_serve)


def _add_pccs_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 for any")
    command.add_argument("--pki", type=Path, required=True, help="folder of the test PKI")
    _add_clock_option(command)
    command.set_defaults(run=_pccs)


def _add_clock_option(command: argparse.ArgumentParser) -> None:
    help_text = "time at which the clock starts: Unix seconds or ISO 8601 (default: now)"
    command.add_argument("--at", type=_instant, help=help_text)

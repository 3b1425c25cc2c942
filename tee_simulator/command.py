# SPDX-License-Identifier: Apache-2.0
"""`python -m tee_simulator`: `pki` makes the test root, `serve` runs one enclave's guest agent,
`pccs` serves collateral.

Exit status: 0 after a clean stop, 2 for wrong arguments, 3 when trying again may help, 4 when
something has to be changed.
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
from tee_simulator.http_service import Listener
from tee_simulator.notice import SIMULATED
from tee_simulator.pki.pki import TestPki

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
    pki = TestPki.open(options.directory)
    _say(
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
    pki = TestPki.open(options.pki or options.directory / "pki")
    enclave = SimulatedEnclave.open(
        options.directory, options.enclave, pki, compose, _clock(options.at)
    )
    with Listener.on_socket(options.socket, GuestAgent(enclave)):
        _run_until_stopped(
            {
                "socket": str(options.socket),
                "enclave": enclave.name,
                "composeHash": enclave.compose.hash.hex(),
                "ppid": enclave.machine.identity.ppid.hex(),
            }
        )


def _pccs(options: argparse.Namespace) -> None:
    pki = TestPki.open(options.pki)
    service = Pccs(pki, _clock(options.at), ConditionsFile(options.pki))
    with Listener.on_loopback(options.port, service) as listener:
        _run_until_stopped({"url": f"http://127.0.0.1:{listener.port}"})


def _run_until_stopped(ready: dict[str, Any]) -> None:
    """Says that it listens, then waits for SIGTERM or SIGINT."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    _say({"ready": {**ready, "simulated": True}})
    stopped.wait()
    LOG.info("stopped")


def _say(line: dict[str, Any]) -> None:
    """One line of JSON on stdout, for the program that waits for it."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _clock(at: datetime | None) -> Clock:
    """The machine's clock, or one that was at `at` when the command began, and goes on from
    there."""
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
        raise argparse.ArgumentTypeError(f"{text!r} is neither Unix seconds nor ISO 8601") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tee_simulator", description=SIMULATED)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    pki = commands.add_parser(
        "pki", help="make the test root and its authorities, once", description=SIMULATED
    )
    pki.add_argument(
        "--directory",
        type=Path,
        required=True,
        help="where root.der, root.pem and the secret seed lie",
    )
    pki.set_defaults(run=_pki)

    serve = commands.add_parser(
        "serve", help="run one enclave's guest agent", description=SIMULATED
    )
    serve.add_argument(
        "--directory", type=Path, required=True, help="where the enclaves' identities are kept"
    )
    serve.add_argument("--enclave", required=True, help="the enclave's name in that folder")
    serve.add_argument("--socket", type=Path, required=True, help="the unix socket to listen on")
    serve.add_argument("--pki", type=Path, help="the test PKI's folder (default: DIRECTORY/pki)")
    serve.add_argument("--compose", type=Path, help="app-compose.json; its hash becomes MRCONFIGID")
    serve.set_defaults(run=_serve)

    pccs = commands.add_parser(
        "pccs", help="serve collateral like Intel's PCS", description=SIMULATED
    )
    pccs.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    pccs.add_argument("--pki", type=Path, required=True, help="the test PKI's folder")
    pccs.set_defaults(run=_pccs)

    for command in (serve, pccs):
        help_at = "what the clock shows at the start: Unix seconds or ISO 8601 (default: now)"
        command.add_argument("--at", type=_instant, help=help_at)
    return parser

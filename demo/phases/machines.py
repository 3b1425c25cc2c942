# SPDX-License-Identifier: Apache-2.0
"""Simulated TDX machines: a test root, and per enclave a guest agent on a socket, as dstack's."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.folders import Folders
from demo.processes.environment import environment
from demo.processes.process_group import Argument
from demo.processes.service_process import ServiceProcess
from demo.processes.supervisor import Supervisor
from teetee.enclave.guest_agent import REPORT_DATA_BYTES, DstackGuestAgent
from teetee.quotes.certificates.pck_platform import PckPlatform
from teetee.quotes.quote import Quote

READY_SECONDS = 60.0


@dataclass(frozen=True)
class MachineProcess:
    """A simulated machine's guest agent."""

    name: str
    socket: Path
    service: ServiceProcess


def make_root(supervisor: Supervisor, folders: Folders) -> Path:
    """The test root's certificate in DER, instead of Intel's."""
    argv = [sys.executable, "-m", "tee_simulator", "pki", "--directory", str(folders.pki)]
    supervisor.run("pki", argv, environment(), seconds=READY_SECONDS)
    return folders.pki / "root.der"


def start_collateral(supervisor: Supervisor, folders: Folders) -> str:
    """A collateral service like Intel's; its address."""
    argv = (sys.executable, "-m", "tee_simulator", "pccs", "--port", "0", "--pki", folders.pki)
    service = supervisor.start("pccs", argv, environment())
    return str(_await_ready(service)["url"])


def start_machines(
    supervisor: Supervisor, folders: Folders, names: Sequence[str]
) -> list[MachineProcess]:
    """All of them; they start at the same time."""
    machines = [_start(supervisor, folders, name) for name in names]
    for machine in machines:
        _await_ready(machine.service)
    return machines


def serve_command(folders: Folders, name: str) -> list[Argument]:
    """The command that simulates the machine of that name."""
    return [
        *("python", "-m", "tee_simulator", "serve", "--directory", folders.enclaves),
        *("--enclave", name, "--pki", folders.pki, "--socket", socket_of(folders, name)),
    ]


def socket_of(folders: Folders, name: str) -> Path:
    """The socket of that machine's guest agent."""
    return folders.sockets / f"{name}.sock"


def _start(supervisor: Supervisor, folders: Folders, name: str) -> MachineProcess:
    argv = [sys.executable, *serve_command(folders, name)[1:]]
    service = supervisor.start(f"machine-{name}", argv, environment())
    return MachineProcess(name, socket_of(folders, name), service)


def _await_ready(service: ServiceProcess) -> dict[str, object]:
    line = service.wait_for(lambda text: text.startswith('{"ready"'), READY_SECONDS, "readiness")
    ready: dict[str, object] = json.loads(line)["ready"]
    return ready


def measurement_of(machine: MachineProcess) -> bytes:
    """Its image's measurement, from a quote with empty report data. 32 bytes."""
    return _quote_of(machine).report.measurement


def kind_of(machine: MachineProcess) -> str:
    """The FMSPC of its platform, which selects the TCB info: 12 hexadecimal digits."""
    leaf, *_ = _quote_of(machine).pck_chain_der()
    return PckPlatform.parse(leaf).fmspc.hex().upper()


def _quote_of(machine: MachineProcess) -> Quote:
    raw = DstackGuestAgent(str(machine.socket)).get_quote(bytes(REPORT_DATA_BYTES))
    return Quote.parse(raw)

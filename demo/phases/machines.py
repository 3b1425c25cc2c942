# SPDX-License-Identifier: Apache-2.0
"""Simulated TDX machines: a test root, and per enclave a guest agent on a socket, like dstack's."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.folders import Folders
from demo.plan import ShardPlan
from demo.processes.environment import environment
from demo.processes.process_group import Argument
from demo.processes.service import Service
from demo.processes.supervisor import Supervisor
from teetee.enclave.guest_agent import REPORT_DATA_BYTES, DstackGuestAgent
from teetee.quotes.certificates.pck_platform import PckPlatform
from teetee.quotes.quote import Quote

READY_SECONDS = 60.0


@dataclass(frozen=True)
class Machine:
    """A simulated machine with its guest agent."""

    plan: ShardPlan
    socket: Path
    service: Service


def make_root(supervisor: Supervisor, folders: Folders) -> Path:
    """The test root's certificate, DER: what stands in for Intel's."""
    argv = [sys.executable, "-m", "tee_simulator", "pki", "--directory", str(folders.pki)]
    supervisor.run("pki", argv, environment(), seconds=READY_SECONDS)
    return folders.pki / "root.der"


def start_collateral(supervisor: Supervisor, folders: Folders) -> str:
    """A collateral service like Intel's; its address."""
    argv = (sys.executable, "-m", "tee_simulator", "pccs", "--port", "0", "--pki", folders.pki)
    service = supervisor.start("pccs", argv, environment())
    return str(_ready(service)["url"])


def start_machines(
    supervisor: Supervisor, folders: Folders, plans: Sequence[ShardPlan]
) -> list[Machine]:
    """All of them; they get ready at the same time."""
    machines = [_start(supervisor, folders, plan) for plan in plans]
    for machine in machines:
        _ready(machine.service)
    return machines


def _start(supervisor: Supervisor, folders: Folders, plan: ShardPlan) -> Machine:
    socket = folders.sockets / f"{plan.name}.sock"
    argv: list[Argument] = [
        *(sys.executable, "-m", "tee_simulator", "serve", "--directory", folders.enclaves),
        *("--enclave", plan.name, "--pki", folders.pki, "--socket", socket),
    ]
    service = supervisor.start(f"machine-{plan.name}", argv, environment())
    return Machine(plan, socket, service)


def _ready(service: Service) -> dict[str, object]:
    line = service.wait_for(lambda said: said.startswith('{"ready"'), READY_SECONDS, "readiness")
    ready: dict[str, object] = json.loads(line)["ready"]
    return ready


def measurement_of(machine: Machine) -> bytes:
    """What its image measures, from a quote about nothing. 32 bytes; raises `teetee`'s errors."""
    return Quote.parse(_quote_of(machine)).report.measurement


def kind_of(machine: Machine) -> str:
    """Which TCB info its platform is judged by: the FMSPC, 12 hex digits."""
    leaf = Quote.parse(_quote_of(machine)).pck_chain_der()[0]
    return PckPlatform.parse(leaf).fmspc.hex().upper()


def _quote_of(machine: Machine) -> bytes:
    return DstackGuestAgent(str(machine.socket)).get_quote(bytes(REPORT_DATA_BYTES))

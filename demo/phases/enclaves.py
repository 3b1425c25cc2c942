# SPDX-License-Identifier: Apache-2.0
"""The enclaves: `python -m oracle run` on a simulated machine each, and their enrolment."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.cli import RunningCommand, TeeTeeCommand
from demo.folders import Folders
from demo.local_chain import ETHER
from demo.phases.machines import MachineProcess
from demo.plan import CHAIN_ID, ShardPlan
from demo.processes.environment import environment
from demo.processes.ports import LOOPBACK
from demo.processes.process_group import Argument, signal_group
from demo.processes.service_process import ServiceProcess
from demo.processes.supervisor import Supervisor
from demo.wallets import Wallet
from teetee.protocol.identifiers import ModelId

LOAD_SECONDS = 300.0
SERVE_SECONDS = 60.0
GAS_ETHER = 1
ORACLE = (sys.executable, "-m", "oracle", "run")

# A local chain has a block every second: there is no need for Base's intervals.
QUICK = {
    "POLL_SECONDS": "0.5",
    "PEER_POLL_SECONDS": "1",
    "BATCH_WINDOW_SECONDS": "0.1",
    "BOOKS_SECONDS": "5",
}


@dataclass
class EnclaveProcess:
    """One shard's process and its host."""

    plan: ShardPlan
    host: Wallet
    machine: MachineProcess
    port: int
    public_port: int
    settings: Mapping[str, str] = field(repr=False)
    argv: Sequence[Argument] = ORACLE
    service: ServiceProcess | None = None
    keyset: Mapping[str, Any] = field(default_factory=dict)
    """What it printed when it was ready."""
    shard_id: int = 0

    @property
    def name(self) -> str:
        """Also of its log."""
        return f"oracle-{self.plan.name}"

    @property
    def endpoint(self) -> str:
        """Its public endpoint, as in the registry."""
        return f"{LOOPBACK}:{self.public_port}"

    @property
    def signer(self) -> str:
        """The address that signs its receipts and pays its gas. Known once it is ready."""
        return str(self.keyset["signer"])

    @property
    def is_running(self) -> bool:
        """Whether its process exists."""
        return self.service is not None and self.service.is_running

    @property
    def line_count(self) -> int:
        """The number of lines that its process has logged."""
        return self.service.line_count if self.service is not None else 0

    def start(self, supervisor: Supervisor) -> None:
        """Start loading; `await_ready` waits for it. Also after a stop or a kill."""
        self.service = supervisor.start(self.name, self.argv, environment(self.settings))

    def await_ready(self) -> None:
        """Wait until it accepts enrolments. Raises `ProcessEnded`, `ProcessSilent`."""
        line = self._wait_for(is_ready, LOAD_SECONDS, "readiness")
        self.keyset = json.loads(line)

    def await_serving(self) -> None:
        """Wait until it sees its enrolment on chain. Raises `ProcessEnded`, `ProcessSilent`."""
        self.await_event("serving")

    def await_event(self, event: str, *, since: int = 0) -> dict[str, Any]:
        """The first such event of its log after `since` lines. Raises as the others do."""
        line = self._wait_for(
            lambda text: is_event(text, event), SERVE_SECONDS, f'"{event}"', since
        )
        logged: dict[str, Any] = json.loads(line)
        return logged

    def stop(self, supervisor: Supervisor) -> None:
        """As its host stops it."""
        assert self.service is not None
        supervisor.stop(self.service)

    def kill(self, supervisor: Supervisor) -> None:
        """kill -9, as if its machine lost power."""
        assert self.service is not None
        self.service.kill()
        supervisor.stop(self.service)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within the block, its process is suspended."""
        assert self.service is not None
        signal_group(self.service.process, signal.SIGSTOP)
        try:
            yield
        finally:
            signal_group(self.service.process, signal.SIGCONT)

    def _wait_for(
        self, matches: Callable[[str], bool], seconds: float, awaited: str, since: int = 0
    ) -> str:
        assert self.service is not None
        return self.service.wait_for(matches, seconds, awaited, since=since)


def oracle_settings(
    *,
    rpc_url: str,
    folders: Folders,
    model: Path,
    model_id: ModelId,
    host: Wallet,
    machine: MachineProcess,
    plan: ShardPlan,
    port: int,
) -> dict[str, str]:
    """The environment of one oracle, as an operator sets it."""
    settings = {
        "RPC_URL": rpc_url,
        "CHAIN_ID": str(CHAIN_ID),
        "DEPLOYMENT": str(folders.deployment),
        "HOST": host.address,
        "MODEL_ID": str(model_id),
        "MODEL": str(model),
        "MANIFEST": str(folders.manifest),
        "LAYERS": f"{plan.layers.first}-{plan.layers.end}",
        "IS_ENTRY": str(plan.is_entry).lower(),
        "LISTEN_HOST": LOOPBACK,
        "LISTEN_PORT": str(port),
        "OPERATIONS_PORT": "0",
        "DATA_DIRECTORY": str(folders.journals / plan.name),
        "KEYS_DIRECTORY": str(folders.keys / plan.name),
        "SIMULATED": "true",
        **QUICK,
    }
    named = {f"TEETEE_{name}": value for name, value in settings.items()}
    return {**named, "DSTACK_SIMULATOR_ENDPOINT": str(machine.socket)}


def begin_claim(command: TeeTeeCommand, enclave: EnclaveProcess) -> RunningCommand:
    """Its host claims the bond's tokens from the faucet."""
    return command.begin(f"host-{enclave.plan.name}", "wallet", "faucet", wallet=enclave.host)


def enrol(command: TeeTeeCommand, enclave: EnclaveProcess) -> None:
    """Its host gives it ETH for gas and enrols it. The host needs the bond's tokens.

    Raises what `TeeTeeCommand.call` raises.
    """
    command.chain.set_ether(enclave.signer, GAS_ETHER * ETHER)
    log = f"host-{enclave.plan.name}"
    enrolled = command.call(log, "host", "enrol", enclave.endpoint, wallet=enclave.host)
    enclave.shard_id = int(enrolled["shardId"])


def is_ready(line: str) -> bool:
    """Whether a line of an oracle's output says that it is ready."""
    return line.startswith('{"ready"')


def is_event(line: str, event: str) -> bool:
    """Whether a line of an oracle's log is that event."""
    try:
        value = json.loads(line)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("event") == event

# SPDX-License-Identifier: Apache-2.0
"""The enclaves: per shard a simulated machine, and `python -m oracle run` on it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.cli import TeeTeeCommand
from demo.folders import Folders
from demo.local_chain import ETHER
from demo.phases.machines import Machine
from demo.plan import CHAIN_ID, ShardPlan
from demo.processes.environment import environment
from demo.processes.ports import LOOPBACK
from demo.processes.process_group import signal_group
from demo.processes.service import Service
from demo.processes.supervisor import Supervisor
from demo.wallets import Wallet
from teetee.protocol.identifiers import ModelId

LOAD_SECONDS = 300.0
SERVE_SECONDS = 60.0
GAS_ETHER = 1

# A local chain has a block at once; what waits seconds on Base need not wait here.
QUICK = {
    "POLL_SECONDS": "0.5",
    "PEER_POLL_SECONDS": "1",
    "BATCH_WINDOW_SECONDS": "0.1",
    "BOOKS_SECONDS": "5",
}


@dataclass
class Enclave:
    """One shard's process, its owner, and what it said about itself when it was ready."""

    plan: ShardPlan
    host: Wallet
    machine: Machine
    port: int
    public_port: int
    settings: Mapping[str, str] = field(repr=False)
    service: Service | None = None
    keyset: Mapping[str, Any] = field(default_factory=dict)
    shard_id: int = 0

    @property
    def name(self) -> str:
        """Also of its log."""
        return f"oracle-{self.plan.name}"

    @property
    def endpoint(self) -> str:
        """Where others find it, as the registry says it."""
        return f"{LOOPBACK}:{self.public_port}"

    @property
    def signer(self) -> str:
        """The address that signs its receipts and pays its gas. Known once it was ready."""
        return str(self.keyset["signer"])

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self.service is not None and self.service.is_running

    def start(self, supervisor: Supervisor) -> None:
        """Begin to load; `await_ready` waits for it. Also after a stop or a kill."""
        argv = [sys.executable, "-m", "oracle", "run"]
        self.service = supervisor.start(self.name, argv, environment(self.settings))

    def await_ready(self) -> None:
        """Until it takes enrolments. Raises `ProcessEnded`, `ProcessSilent`."""
        line = self._wait(lambda said: said.startswith('{"ready"'), LOAD_SECONDS, "readiness")
        self.keyset = json.loads(line)

    def await_serving(self) -> None:
        """Until it has seen its enrolment on chain. Raises `ProcessEnded`, `ProcessSilent`."""
        self.await_event("serving")

    @property
    def said(self) -> int:
        """How many lines its process has logged."""
        return self.service.said if self.service is not None else 0

    def await_event(self, event: str, *, since: int = 0) -> dict[str, Any]:
        """The first such event of its log after that many lines. Raises as the others do."""
        assert self.service is not None
        line = self.service.wait_for(
            lambda said: _event(said) == event, SERVE_SECONDS, f'"{event}"', since=since
        )
        logged: dict[str, Any] = json.loads(line)
        return logged

    def stop(self, supervisor: Supervisor) -> None:
        """As its host would stop it."""
        assert self.service is not None
        supervisor.stop(self.service)

    def kill(self, supervisor: Supervisor) -> None:
        """kill -9, as a machine that loses power would do it."""
        assert self.service is not None
        self.service.kill()
        supervisor.stop(self.service)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its process gets no time for the length of the block, and never hears of it."""
        assert self.service is not None
        signal_group(self.service.process, signal.SIGSTOP)
        try:
            yield
        finally:
            signal_group(self.service.process, signal.SIGCONT)

    def _wait(self, matches: Any, seconds: float, awaited: str) -> str:
        assert self.service is not None
        return self.service.wait_for(matches, seconds, awaited)


def start_oracles(supervisor: Supervisor, enclaves: Sequence[Enclave]) -> None:
    """All of them; they load at the same time."""
    for enclave in enclaves:
        enclave.start(supervisor)
    for enclave in enclaves:
        enclave.await_ready()


def oracle_settings(
    *,
    rpc_url: str,
    folders: Folders,
    model: Path,
    model_id: ModelId,
    host: Wallet,
    machine: Machine,
    port: int,
) -> dict[str, str]:
    """The environment of one oracle, as an operator would set it."""
    plan = machine.plan
    settings = {
        "RPC_URL": rpc_url,
        "CHAIN_ID": str(CHAIN_ID),
        "DEPLOYMENT": str(folders.deployment),
        "HOST": host.address,
        "MODEL_ID": str(model_id),
        "MODEL": str(model),
        "LAYERS": f"{plan.layers.first}-{plan.layers.end}",
        "IS_ENTRY": str(plan.is_entry).lower(),
        "LISTEN_HOST": LOOPBACK,
        "LISTEN_PORT": str(port),
        "DATA_DIRECTORY": str(folders.journals / plan.name),
        **QUICK,
    }
    named = {f"TEETEE_{name}": value for name, value in settings.items()}
    return {**named, "DSTACK_SIMULATOR_ENDPOINT": str(machine.socket)}


def enrol(command: TeeTeeCommand, enclave: Enclave) -> None:
    """The host claims its bond's tokens, gives the enclave ETH for gas, and enrols it.

    Raises what `TeeTeeCommand.call` raises.
    """
    log = f"host-{enclave.plan.name}"
    command.call(log, "wallet", "faucet", wallet=enclave.host)
    command.chain.set_ether(enclave.signer, GAS_ETHER * ETHER)
    enrolled = command.call(log, "host", "enrol", enclave.endpoint, wallet=enclave.host)
    enclave.shard_id = int(enrolled["shardId"])


def _event(line: str) -> str:
    try:
        said = json.loads(line)
    except ValueError:
        return ""
    return str(said.get("event", "")) if isinstance(said, dict) else ""

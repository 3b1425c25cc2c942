# SPDX-License-Identifier: Apache-2.0
"""A running TeeTee on this machine, from nothing: what the demo shows and the system tests try.

with World(plan, console) as world:
    world.start()
    …
# everything that was started has been stopped
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from demo.cli import TeeTeeCommand
from demo.folders import Folders
from demo.local_chain import LocalChain
from demo.output.console import Console
from demo.phases.chain import begin_block_time, start_chain
from demo.phases.collateral import bring_collateral
from demo.phases.contracts import Scripts
from demo.phases.enclaves import Enclave, enrol, oracle_settings, start_oracles
from demo.phases.machines import (
    Machine,
    make_root,
    measurement_of,
    start_collateral,
    start_machines,
)
from demo.phases.model import Model, prepare_model
from demo.plan import Plan, ShardPlan
from demo.prerequisites import require_tools
from demo.processes.ports import LOOPBACK, free_port
from demo.processes.supervisor import Supervisor
from demo.wallets import Wallet
from teetee.chain.connection import Connection
from teetee.chain.contracts.registry import Registry
from teetee.chain.deployment import Deployment
from teetee.protocol.identifiers import ModelId


class World:
    """Owns its folder and its processes from construction to the end of `with`.

    Raises `AnotherDemoRuns` when the folder is taken, `Unprepared` when a tool is missing.
    """

    model: Model
    chain: LocalChain
    enclaves_rpc: str
    machines: list[Machine]
    command: TeeTeeCommand
    deployment: Deployment
    model_id: ModelId
    collateral: dict[str, Any]
    enclaves: list[Enclave]
    wallets: dict[str, Wallet]

    def __init__(self, plan: Plan, console: Console) -> None:
        require_tools()
        self.plan = plan
        self.console = console
        self.folders = Folders.open(plan.directory)
        self.supervisor = Supervisor(self.folders.logs)
        self.enclaves = []
        self.wallets = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """All phases up to enclaves that wait for questions."""
        phase = self.console.phase
        with phase("chain", "the chain: anvil with Base's rules"):
            self.chain = start_chain(self.supervisor, self.plan.port)
            self.enclaves_rpc = f"http://{LOOPBACK}:{self.plan.front(self.chain.port)}"
        with phase("model", "the model: found, prepared, its tensors hashed"):
            self.model = prepare_model(self.supervisor, self.folders, self.plan.model)
        with phase("machines", "the machines: a test root, simulated TDX guests"):
            self._start_machines()
        with phase("contracts", "the contracts deployed, the model published"):
            self._deploy()
        with phase(
            "collateral", "Intel's part, played by the test root: CRLs, QE identity, TCB info"
        ):
            self.collateral = bring_collateral(
                self.command, self.wallet("caretaker"), self.machines
            )
        with phase("enclaves", "the enclaves: each loads its own layers"):
            self.enclaves = [self._enclave(machine) for machine in self.machines]
            start_oracles(self.supervisor, self.enclaves)
        with phase("enrolment", "the hosts: bonds posted, quotes and platforms verified on chain"):
            self._enrol()

    def join(self, plan: ShardPlan) -> Enclave:
        """One more shard, of a host of its own, while everything runs."""
        (machine,) = start_machines(self.supervisor, self.folders, [plan])
        enclave = self._enclave(machine)
        self.enclaves.append(enclave)
        start_oracles(self.supervisor, [enclave])
        enrol(self.command, enclave)
        enclave.await_serving()
        return enclave

    def leave(self, enclave: Enclave) -> None:
        """Its host takes a shard out for good, and stops its machine."""
        log, shard_id = f"host-{enclave.plan.name}", str(enclave.shard_id)
        self.command.call(log, "host", "retire", shard_id, wallet=enclave.host)
        enclave.stop(self.supervisor)
        self.supervisor.stop(enclave.machine.service)
        self.enclaves.remove(enclave)

    def close(self) -> None:
        """Stop everything. Once; `with` does it."""
        # The oracles first: without a chain they would complain.
        services = [enclave.service for enclave in self.enclaves if enclave.service is not None]
        self.supervisor.stop(*services)
        self.supervisor.stop_all()
        self.folders.close()

    def wallet(self, role: str) -> Wallet:
        """The wallet of that role, made at the first call, with ETH for gas."""
        if role not in self.wallets:
            self.wallets[role] = Wallet.fresh(role, self.chain)
        return self.wallets[role]

    def enclave(self, name: str) -> Enclave:
        """By its name in the plan."""
        return next(enclave for enclave in self.enclaves if enclave.plan.name == name)

    def connection(self) -> Connection:
        """A reader of the chain."""
        return Connection([self.chain.url], chain_id=self.deployment.chain_id)

    def _start_machines(self) -> None:
        self.root_ca = make_root(self.supervisor, self.folders)
        collateral = start_collateral(self.supervisor, self.folders)
        self.command = TeeTeeCommand(self.supervisor, self.folders, self.chain, collateral)
        shards = self.plan.shards(self.model.manifest.layer_count)
        self.machines = start_machines(self.supervisor, self.folders, shards)

    def _deploy(self) -> None:
        scripts = Scripts(self.supervisor, self.folders, self.chain, self.wallet("publisher"))
        self.deployment = scripts.deploy(self.root_ca, self.wallet("treasury"))
        scripts.publish({measurement_of(machine) for machine in self.machines})
        self.model_id = ModelId(Registry(self.connection(), self.deployment).model_count())

    def _enclave(self, machine: Machine) -> Enclave:
        host, port = self.wallet(f"host of {machine.plan.name}"), free_port()
        settings = oracle_settings(
            rpc_url=self.enclaves_rpc,
            folders=self.folders,
            model=self.model.folder,
            model_id=self.model_id,
            host=host,
            machine=machine,
            port=port,
        )
        chosen = {f"TEETEE_{name}": value for name, value in self.plan.oracle_settings.items()}
        return Enclave(
            machine.plan, host, machine, port, self.plan.front(port), {**settings, **chosen}
        )

    def _enrol(self) -> None:
        for enclave in self.enclaves:
            enrol(self.command, enclave)
        begin_block_time(self.chain)
        for enclave in self.enclaves:
            enclave.await_serving()

# SPDX-License-Identifier: Apache-2.0
"""A running TeeTee on this machine: what the demo shows and the system tests test.

with World(plan, console) as world:
    world.start()
    …
# everything that was started is stopped
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from demo.cli import TeeTeeCommand
from demo.folders import Folders
from demo.local_chain import LocalChain
from demo.output.console import Console
from demo.phases.chain import begin_block_time, start_chain
from demo.phases.collateral import begin_collateral_upload
from demo.phases.contracts import SECONDS as DEPLOYMENT_SECONDS
from demo.phases.contracts import Scripts
from demo.phases.enclaves import EnclaveProcess, begin_claim, enrol, oracle_settings
from demo.phases.machines import (
    MachineProcess,
    make_root,
    measurement_of,
    start_collateral,
    start_machines,
)
from demo.phases.model import Model, ModelPreparation
from demo.plan import ShardPlan, WorldPlan
from demo.prerequisites import require_tools
from demo.processes.ports import LOOPBACK, free_port
from demo.processes.run_process import RunningProcess
from demo.processes.supervisor import Supervisor
from demo.wallets import Wallet
from teetee.chain.connection import Connection
from teetee.chain.contracts.registry import Registry
from teetee.chain.deployment import Deployment
from teetee.protocol.identifiers import ModelId


class World:
    """Owns its folder and its processes from construction to the end of `with`.

    Raises `WorldRuns` when the folder is in use, `ToolMissing` when a tool is missing.
    """

    model: Model
    chain: LocalChain
    enclaves_rpc: str
    machines: list[MachineProcess]
    command: TeeTeeCommand
    deployment: Deployment
    model_id: ModelId
    collateral: dict[str, Any]
    enclaves: list[EnclaveProcess]
    wallets: dict[str, Wallet]

    def __init__(self, plan: WorldPlan, console: Console) -> None:
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
        """All phases up to enclaves that serve. Independent steps run at the same time."""
        phase = self.console.phase
        preparation = ModelPreparation(self.supervisor, self.folders, self.plan.model)
        with phase("chain", "Chain: anvil with Base's rules"):
            self._start_chain()
            deploying = self._begin_deployment()
        with phase("model", "Model: prepared and hashed"):
            self.model = preparation.finish()
            shards = self.plan.shards(self.model.manifest.layer_count)
        with phase("machines", "Machines: simulated TDX guests with a test root"):
            self._start_machines([shard.name for shard in shards])
        with phase("contracts", "Contracts: deployed; the model published"):
            deploying.finish(DEPLOYMENT_SECONDS)
            self.deployment = Deployment.load(self.folders.deployment)
            caretaker = self.wallet("caretaker")
            uploading = begin_collateral_upload(self.command, caretaker, self.machines)
            self._publish()
        with phase("collateral", "Collateral: CRLs, QE identity and TCB info, by the test root"):
            self.collateral = uploading.value()
        with phase("enclaves", "Enclaves: each loads its own layers"):
            self._start_enclaves(shards)
        with phase("enrolment", "Hosts: bonds deposited, quotes and platforms verified on chain"):
            self._enrol()

    def add_shard(self, plan: ShardPlan) -> EnclaveProcess:
        """One more shard with its own host, while everything runs."""
        (machine,) = start_machines(self.supervisor, self.folders, [plan.name])
        enclave = self._enclave(plan, machine)
        self.enclaves.append(enclave)
        enclave.start(self.supervisor)
        begin_claim(self.command, enclave).value()
        enclave.await_ready()
        enrol(self.command, enclave)
        enclave.await_serving()
        return enclave

    def remove_shard(self, enclave: EnclaveProcess) -> None:
        """Its host retires the shard and stops its machine."""
        log, shard_id = f"host-{enclave.plan.name}", str(enclave.shard_id)
        self.command.call(log, "host", "retire", shard_id, wallet=enclave.host)
        enclave.stop(self.supervisor)
        self.supervisor.stop(enclave.machine.service)
        self.enclaves.remove(enclave)

    def close(self) -> None:
        """Stop everything. Once; `with` does it."""
        # The oracles first: without a chain they would log errors.
        services = [enclave.service for enclave in self.enclaves if enclave.service is not None]
        self.supervisor.stop(*services)
        self.supervisor.stop_all()
        self.folders.close()

    def wallet(self, role: str) -> Wallet:
        """The wallet of that role, created with ETH for gas at the first call."""
        if role not in self.wallets:
            self.wallets[role] = Wallet.fresh(role, self.chain)
        return self.wallets[role]

    def enclave(self, name: str) -> EnclaveProcess:
        """By its name in the plan."""
        return next(enclave for enclave in self.enclaves if enclave.plan.name == name)

    def connection(self) -> Connection:
        """A reader of the chain."""
        return Connection([self.chain.url], chain_id=self.deployment.chain_id)

    def _start_chain(self) -> None:
        self.chain = start_chain(self.supervisor, self.plan.port)
        self.enclaves_rpc = f"http://{LOOPBACK}:{self.plan.front(self.chain.port)}"

    def _begin_deployment(self) -> RunningProcess:
        root_ca = make_root(self.supervisor, self.folders)
        return self._scripts().begin_deployment(root_ca, self.wallet("treasury"))

    def _start_machines(self, names: list[str]) -> None:
        collateral = start_collateral(self.supervisor, self.folders)
        self.command = TeeTeeCommand(self.supervisor, self.folders, self.chain, collateral)
        self.machines = start_machines(self.supervisor, self.folders, names)

    def _publish(self) -> None:
        self._scripts().publish({measurement_of(machine) for machine in self.machines})
        self.deployment = Deployment.load(self.folders.deployment)  # names the model now
        self.model_id = ModelId(Registry(self.connection(), self.deployment).model_count())

    def _scripts(self) -> Scripts:
        return Scripts(self.supervisor, self.folders, self.chain, self.wallet("publisher"))

    def _start_enclaves(self, shards: tuple[ShardPlan, ...]) -> None:
        """They load, and their hosts claim tokens, at the same time."""
        for plan, machine in zip(shards, self.machines, strict=True):
            self.enclaves.append(self._enclave(plan, machine))
        for enclave in self.enclaves:
            enclave.start(self.supervisor)
        claims = [begin_claim(self.command, enclave) for enclave in self.enclaves]
        for claim in claims:
            claim.value()
        for enclave in self.enclaves:
            enclave.await_ready()

    def _enclave(self, plan: ShardPlan, machine: MachineProcess) -> EnclaveProcess:
        host, port = self.wallet(f"host of {plan.name}"), free_port()
        settings = oracle_settings(
            rpc_url=self.enclaves_rpc,
            folders=self.folders,
            model=self.model.folder,
            model_id=self.model_id,
            host=host,
            machine=machine,
            plan=plan,
            port=port,
        )
        chosen = {f"TEETEE_{name}": value for name, value in self.plan.oracle_settings.items()}
        public_port = self.plan.front(port)
        return EnclaveProcess(plan, host, machine, port, public_port, {**settings, **chosen})

    def _enrol(self) -> None:
        # One after the other, so that shard ids follow the plan.
        for enclave in self.enclaves:
            enrol(self.command, enclave)
        begin_block_time(self.chain)
        for enclave in self.enclaves:
            enclave.await_serving()

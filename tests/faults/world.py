# SPDX-License-Identifier: Apache-2.0
"""The world of `make demo` with a tiny model, two entries, two shards for each other part, and
faults possible everywhere: a port before each enclave, three nodes, a clock for each enclave.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from demo.output.console import Console
from demo.phases.enclaves import EnclaveProcess
from demo.phases.machines import MachineProcess
from demo.plan import BUILD, ShardPlan, WorldPlan
from demo.processes.ports import LOOPBACK, free_port
from demo.world import World
from teetee.client.contracts import Contracts
from teetee.protocol.layers import LayerRange
from tests.faults.clock import IS_SUPPORTED, ShiftedClock
from tests.faults.event_loop import EventLoop
from tests.faults.nodes import Nodes
from tests.faults.ports import Ports
from tests.faults.schedule import NODES
from tests.faults.tiny_model import LAYERS, save_canary_model

MODEL = BUILD / "faults-model"
"""Outside the world's folder: it holds every word of every answer."""
DECLINE_MARGIN_SECONDS = 6
"""Six blocks, as the default is on Base."""
BLOCK_GAS = 400_000_000
"""As much as Base's blocks have."""
BLOCKS_BEFORE = 70
"""Blocks that a reorganisation may replace, from the first fault on."""
HEALTH_SECONDS = 1.0

_SETTINGS = {
    "DECLINE_MARGIN_SECONDS": str(DECLINE_MARGIN_SECONDS),
    "STOP_GRACE_SECONDS": "2",
    "REFUND_GRACE_SECONDS": "3",
    "SETTLE_TIMEOUT_SECONDS": "20",
    # Six enclaves and three nodes share two cores.
    "POLL_SECONDS": "1",
    "PEER_POLL_SECONDS": "2",
}


def _shards(layer_count: int) -> tuple[ShardPlan, ...]:
    assert layer_count == LAYERS
    return (
        ShardPlan("entry", LayerRange(0, 1), is_entry=True),
        ShardPlan("second", LayerRange(0, 1), is_entry=True),
        ShardPlan("middle", LayerRange(1, 2)),
        ShardPlan("middle-2", LayerRange(1, 2)),
        ShardPlan("last", LayerRange(2, LAYERS)),
        ShardPlan("last-2", LayerRange(2, LAYERS)),
    )


class FaultWorld(World):
    """Owns everything that a fault can touch."""

    nodes: Nodes
    contracts: Contracts
    first_block: int
    """No fault undoes what is before it: the setup."""

    def __init__(self, directory: Path, console: Console) -> None:
        save_canary_model(MODEL)
        self.loop = EventLoop()
        self.ports = Ports(self.loop)
        self.clocks: dict[str, ShiftedClock] = {}
        self.operations: dict[str, int] = {}
        plan = WorldPlan(
            directory=directory,
            model=MODEL,
            shards=_shards,
            oracle_settings=_SETTINGS,
            front=self.ports.front,
        )
        super().__init__(plan, console)
        # Temporary files of all processes are searched with the world's other files.
        temporary = self.folders.directory / "tmp"
        temporary.mkdir()
        os.environ["TMPDIR"] = str(temporary)

    def start(self) -> None:
        """Also opens the contracts."""
        super().start()
        self.contracts = Contracts.connect(self.deployment, [self.chain.url])
        self.chain.call("evm_setBlockGasLimit", hex(BLOCK_GAS))
        self.first_block = self.chain.block_number()

    def bury(self) -> None:
        """Mine blocks that may be replaced. What is before them stays: the setup, whose balances a
        reorganisation would undo, and the ends of earlier batches, whose deadlines have passed.
        """
        self.first_block = self.chain.block_number()
        self.chain.call("anvil_mine", hex(BLOCKS_BEFORE), "0x0")

    def close(self) -> None:
        """The network last."""
        super().close()
        self.loop.close()

    def health(self, name: str) -> dict[str, Any] | None:
        """What the enclave says of itself; None if it does not answer."""
        port = self.operations[name]
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=HEALTH_SECONDS)
        try:
            connection.request("GET", "/health")
            return dict(json.loads(connection.getresponse().read()))
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def is_ready(self, name: str) -> bool:
        """Whether it says that it serves."""
        report = self.health(name)
        return report is not None and bool(report["ready"])

    def clock_offset(self) -> float:
        """The chain's time minus this machine's, in s."""
        return self.chain.now() - time.time()

    def _free_operations_port(self) -> int:
        """Not the port that another enclave of this world will listen on."""
        others = {enclave.port for enclave in self.enclaves} | {*self.operations.values()}
        while (port := free_port()) in others:
            pass
        return port

    def _start_chain(self) -> None:
        super()._start_chain()
        self.nodes = Nodes(self.loop, self.chain.port, NODES)

    def _enclave(self, plan: ShardPlan, machine: MachineProcess) -> EnclaveProcess:
        self.enclaves_rpc = self.nodes.urls(plan.name)
        enclave = super()._enclave(plan, machine)
        while enclave.port in self.operations.values():
            enclave = super()._enclave(plan, machine)
        self.operations[plan.name] = self._free_operations_port()
        enclave.settings = {
            **enclave.settings,
            "TEETEE_OPERATIONS_PORT": str(self.operations[plan.name]),
        }
        if IS_SUPPORTED:
            clock = ShiftedClock(self.folders.directory / f"clock-{plan.name}")
            self.clocks[plan.name] = clock
            enclave.argv = (sys.executable, "-m", "tests.faults.clock", clock.file, "run")
        return enclave

# SPDX-License-Identifier: Apache-2.0
"""Makes faults and ends them. What takes long runs in threads; processes belong to the thread that
made this object.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from demo.phases.enclaves import EnclaveProcess, is_ready
from demo.processes.process_group import signal_group
from demo.processes.service_process import ServiceProcess
from tests.faults.fault import Fault, Kind
from tests.faults.misbehaviour import Failing, Lagging, Limiting, Lying, Misbehaviour
from tests.faults.outages import Outages
from tests.faults.reorganisation import reorganise
from tests.faults.schedule import ENTRIES
from tests.faults.shards import Shards
from tests.faults.traffic import Traffic
from tests.faults.world import FaultWorld

READY_SECONDS = 180.0
HELP_SECONDS = 10.0
TICK_SECONDS = 0.2
RESEND_SECONDS = 1.0
"""After so long, wallets send again what a reorganisation dropped."""
JOURNAL = "answers.sqlite"
FULL_BYTES = 4096


Act = Callable[[Fault], None]


class Injector:
    """`begin` and `end` each fault; then wait and restore what is left of them."""

    def __init__(
        self, world: FaultWorld, traffic: Traffic, shards: Shards, outages: Outages
    ) -> None:
        self._world = world
        self._traffic = traffic
        self._shards = shards
        self._outages = outages
        self._threads = ThreadPoolExecutor(8)
        self._begun: list[Future[object]] = []
        self._starting: dict[str, float] = {}
        self._rebooted: set[str] = set()
        self._evictions: dict[str, Future[object]] = {}
        self._locks: dict[int, sqlite3.Connection] = {}
        kill, misbehave = (self._kill, self._start), (self._misbehave, self._behave)
        self._acts: dict[Kind, tuple[Act, Act]] = {
            Kind.KILL: kill,
            Kind.REBOOT: kill,
            Kind.FREEZE: (self._freeze, self._thaw),
            Kind.CUT: (self._cut, self._heal_port),
            Kind.DELAY: (self._delay, self._heal_port),
            Kind.RPC_ERROR: misbehave,
            Kind.RPC_LIMIT: misbehave,
            Kind.RPC_LAG: misbehave,
            Kind.RPC_LIE: misbehave,
            Kind.REORG: (self._reorganise, _nothing),
            Kind.EVICTION: (self._evict, self._readmit),
            Kind.DISK: (self._fill_disk, self._free_disk),
            Kind.CLOCK: (self._set_clock, self._reset_clock),
            Kind.BURST: (self._burst, _nothing),
        }
        """How each kind begins and ends."""
        self.starts: list[float] = []
        """Seconds from each start of a process until it served."""

    # -- one fault -----------------------------------------------------------------------------

    def begin(self, fault: Fault) -> None:
        """Make it. Raises what says that the harness itself failed."""
        self._acts[fault.kind][0](fault)

    def end(self, fault: Fault) -> None:
        """End it."""
        self._acts[fault.kind][1](fault)

    # -- between and after faults --------------------------------------------------------------

    def watch(self) -> None:
        """Notes which processes have become ready since their start; rekeys rebooted ones."""
        for name, since in list(self._starting.items()):
            enclave = self._world.enclave(name)
            assert enclave.is_running, f"{name} ended by itself: {enclave.service}"
            if name in self._rebooted and self._world.health(name) is not None:
                with suppress(Exception):
                    _read_keys(enclave)
                    self._rebooted.discard(name)
                    self._run(lambda name=name: self._rekey(name))  # type: ignore[misc]
            elif name not in self._rebooted and self._world.is_ready(name):
                del self._starting[name]
                self._outages.end(name)
                self.starts.append(time.monotonic() - since)

    def await_processes(self) -> None:
        """Wait until every process that was started serves."""
        until = time.monotonic() + READY_SECONDS
        while self._starting:
            assert time.monotonic() < until, f"not ready: {sorted(self._starting)}"
            self.watch()
            self._help_starting()
            time.sleep(TICK_SECONDS)

    def _help_starting(self) -> None:
        """An eviction, or a reorganisation of the new keys, keeps a process from being ready."""
        for name, since in self._starting.items():
            if name not in self._rebooted and time.monotonic() - since > HELP_SECONDS:
                with suppress(Exception):  # tried again
                    self._shards.restore(name)

    def await_work(self) -> None:
        """Wait for what runs in threads: reorganisations, bursts, evictions, new keys."""
        for future in self._begun:
            future.result()
        self._begun.clear()

    def restore_shards(self) -> None:
        """Every shard active again, with its whole bond: later batches need them."""
        for enclave in self._world.enclaves:
            _retry(lambda name=enclave.plan.name: self._shards.restore(name))  # type: ignore[misc]
        for name in ENTRIES:
            _retry(lambda name=name: self._traffic.keys.refresh(name))  # type: ignore[misc]

    def await_ready(self) -> None:
        """Wait until every enclave says that it serves."""
        until = time.monotonic() + READY_SECONDS
        for enclave in self._world.enclaves:
            name = enclave.plan.name
            while not self._world.is_ready(name):
                assert enclave.is_running, f"{name} ended by itself"
                assert time.monotonic() < until, f"{name}: {self._world.health(name)}"
                time.sleep(TICK_SECONDS)

    # -- kinds ---------------------------------------------------------------------------------

    def _kill(self, fault: Fault) -> None:
        enclave = self._enclave(fault)
        self._outages.begin(fault.target)
        enclave.kill(self._world.supervisor)
        self._starting.pop(fault.target, None)
        if fault.kind is Kind.REBOOT:
            shutil.rmtree(self._world.folders.keys / fault.target, ignore_errors=True)
            self._rebooted.add(fault.target)

    def _start(self, fault: Fault) -> None:
        self._enclave(fault).start(self._world.supervisor)
        self._starting[fault.target] = time.monotonic()

    def _rekey(self, name: str) -> None:
        with suppress(Exception):  # it may be killed meanwhile: `restore` does it then
            _retry(lambda: self._shards.renew(name))
            if name in ENTRIES:
                _retry(lambda: self._traffic.keys.refresh(name))

    def _evict(self, fault: Fault) -> None:
        def evict() -> None:
            with suppress(Exception):  # reorganisations may undo parts of it each time
                _retry(lambda: self._shards.evict(fault.target))

        self._evictions[fault.target] = self._run(evict)

    def _readmit(self, fault: Fault) -> None:
        eviction = self._evictions[fault.target]

        def readmit() -> None:
            eviction.result()  # else it could come last, and the shard stay evicted
            with suppress(Exception):  # its process may be down: `restore` does it then
                _retry(lambda: self._shards.readmit(fault.target))

        self._run(readmit)

    def _cut(self, fault: Fault) -> None:
        self._world.ports.before(self._enclave(fault).port).cut()

    def _delay(self, fault: Fault) -> None:
        self._world.ports.before(self._enclave(fault).port).delay(fault.details["late"])

    def _heal_port(self, fault: Fault) -> None:
        self._world.ports.before(self._enclave(fault).port).heal()

    def _misbehave(self, fault: Fault) -> None:
        self._outages.begin(fault.target)
        self._world.nodes.misbehave(fault.target, _misbehaviour(fault))

    def _behave(self, fault: Fault) -> None:
        self._world.nodes.heal(fault.target)
        self._outages.end(fault.target)

    def _reorganise(self, fault: Fault) -> None:
        depth, how = fault.details["depth"], fault.details["how"]

        def work() -> None:
            _retry(lambda: reorganise(self._world, depth, how, self._outages.undo))
            time.sleep(RESEND_SECONDS)
            self._traffic.resend_recent()

        self._run(work)

    def _burst(self, fault: Fault) -> None:
        self._run(lambda: _retry(lambda: self._traffic.burst(fault.details["requests"])))

    def _freeze(self, fault: Fault) -> None:
        self._outages.begin(fault.target)
        if (service := self._service(fault.target)) is not None:
            signal_group(service.process, signal.SIGSTOP)

    def _thaw(self, fault: Fault) -> None:
        if (service := self._service(fault.target)) is not None:
            signal_group(service.process, signal.SIGCONT)
        self._outages.end(fault.target)

    def _fill_disk(self, fault: Fault) -> None:
        enclave = self._enclave(fault)
        if fault.details["how"] == "locked":
            file = self._world.folders.journals / fault.target / JOURNAL
            with suppress(sqlite3.Error):  # there is none yet
                lock = sqlite3.connect(
                    f"file:{file}?mode=rw",
                    uri=True,
                    timeout=0.5,
                    isolation_level=None,
                    check_same_thread=False,
                )
                lock.execute("BEGIN EXCLUSIVE")
                self._locks[fault.number] = lock
        elif enclave.service is not None and enclave.is_running:
            _limit_files(enclave.service.process.pid, FULL_BYTES)

    def _free_disk(self, fault: Fault) -> None:
        enclave = self._enclave(fault)
        lock = self._locks.pop(fault.number, None)
        if lock is not None:
            lock.close()
        elif enclave.service is not None and enclave.is_running:
            _limit_files(enclave.service.process.pid, resource.RLIM_INFINITY)

    def _set_clock(self, fault: Fault) -> None:
        self._world.clocks[fault.target].set(fault.details["shift"])

    def _reset_clock(self, fault: Fault) -> None:
        self._world.clocks[fault.target].set(0)

    def _run(self, work: Callable[[], object]) -> Future[object]:
        self._begun.append(self._threads.submit(work))
        return self._begun[-1]

    def _enclave(self, fault: Fault) -> EnclaveProcess:
        return self._world.enclave(fault.target)

    def _service(self, target: str) -> ServiceProcess | None:
        if target in ("chain", "collateral"):
            name = {"chain": "chain", "collateral": "pccs"}[target]
            return self._world.supervisor.find_service(name)
        if target.startswith("machine:"):
            return self._world.enclave(target.removeprefix("machine:")).machine.service
        return self._world.enclave(target).service


def _read_keys(enclave: EnclaveProcess) -> None:
    """Reads its keys; a rebooted one has new ones. Raises before it is ready."""
    assert enclave.service is not None
    line = enclave.service.wait_for(is_ready, 0.01, "readiness")
    enclave.keyset = json.loads(line)


def _nothing(_fault: Fault) -> None:
    """It has ended already."""


def _limit_files(process: int, size: int) -> None:
    with suppress(ProcessLookupError):
        limits = (size, resource.RLIM_INFINITY)
        resource.prlimit(process, resource.RLIMIT_FSIZE, limits)


def _misbehaviour(fault: Fault) -> Misbehaviour:
    match fault.kind:
        case Kind.RPC_ERROR:
            return Failing(fault.details["how"])
        case Kind.RPC_LIMIT:
            return Limiting(fault.details["how"])
        case Kind.RPC_LAG:
            return Lagging(fault.details["blocks"])
        case _:
            return Lying(fault.details["about"])


def _retry(work: Callable[[], object], attempts: int = 8) -> None:
    """Chain and enclaves may be in the middle of other faults."""
    for attempt in range(attempts):
        try:
            work()
            return
        except Exception:
            if attempt == attempts - 1:
                raise
            time.sleep(1.0)

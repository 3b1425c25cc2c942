# SPDX-License-Identifier: Apache-2.0
"""The process: start-up, main loop, shutdown. Signal handlers only set an event."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from structlog.typing import FilteringBoundLogger

from oracle.chain.peers import ChainPeers
from oracle.errors import Stopped
from oracle.operations.endpoint import OperationsEndpoint
from oracle.operations.funds import Funds
from oracle.operations.node_watch import NodeWatch
from oracle.operations.operator_view import OperatorView
from oracle.operations.standing import ShardStanding
from oracle.process.assembly import (
    SERVICE,
    build_enrol_endpoint,
    build_service,
    link_identity,
)
from oracle.process.collateral_updater import ChainCollateral, CollateralUpdater
from oracle.process.data_directory import DataDirectory
from oracle.process.loops import Loop, Task, make_loops
from oracle.process.renewal import RenewalWatch
from oracle.process.services import ShardService
from oracle.process.settings import Settings
from oracle.process.startup import PreparedEnclave, prepare_enclave
from shard_runtime import Listener
from teetee.chain.connection import Connection
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.protocol.endpoint import ENROL_ALPN

RENEWAL_CHECK_SECONDS = 600.0
SIGNAL_SECONDS = 0.5
FUNDS_CHECK_SECONDS = 5.0
NODE_CHECK_SECONDS = 15.0


class Server:
    """One enclave's process."""

    def __init__(self, settings: Settings, log: FilteringBoundLogger) -> None:
        self._settings = settings
        self._log = log
        self._stop = threading.Event()
        self._end = threading.Event()  # set last: heads and peers are needed until then
        self._service: ShardService | None = None
        self._view = OperatorView(log)
        self._operations = OperationsEndpoint(
            host=settings.operations_host,
            port=settings.operations_port,
            health=self._view.health,
            metrics=self._view.metrics,
        )
        self._data_directory = DataDirectory(settings.data_directory)

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT. Raises `Fatal` if the process must not serve."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        # First, so that loading a large model can be told from a process that hangs.
        self._operations.start()
        try:
            self._serve()
        finally:
            self._operations.close()

    def _serve(self) -> None:
        try:
            self._startup()
        except Stopped:
            return
        try:
            self._main_loop()
        finally:
            self._shutdown()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._view.health.drain()
        self._stop.set()

    # -- start-up ------------------------------------------------------------------------------

    def _startup(self) -> None:
        self._data_directory.acquire()
        self._enclave = prepare_enclave(
            self._settings, stop=self._stop, view=self._view, log=self._log
        )
        enclave, settings = self._enclave, self._settings
        self._peers = ChainPeers(
            registry=enclave.registry,
            heads=enclave.heads,
            stale_after=settings.stale_head_seconds,
            clock=time.monotonic,
            log=self._log,
        )
        self._listener = Listener(
            identity=link_identity(enclave),
            host=settings.listen_host,
            port=settings.listen_port,
            handlers={ENROL_ALPN: build_enrol_endpoint(enclave, self._log).serve},
        )
        self._listener.start()
        self._standing = ShardStanding(enclave.heads, self._view.metrics)
        self._loops = self._make_loops()
        for loop in self._loops:
            loop.start()
        self._view.health.start_up_ended()
        _print_ready_line(enclave, self._listener.port, self._operations.port, self._log)

    def _make_loops(self) -> list[Loop]:
        enclave, settings = self._enclave, self._settings
        renewal = RenewalWatch(
            registry=enclave.registry,
            blocks=enclave.blocks,
            heads=enclave.heads,
            warning_seconds=settings.renewal_warning_seconds,
            log=self._log,
        )
        funds = self._watch_funds()
        nodes = NodeWatch(
            [Connection([url], chain_id=settings.chain_id) for url in settings.rpc_urls()],
            states=lambda: enclave.connection.node_states,
            metrics=self._view.metrics,
            log=self._log,
        )
        tasks: list[Task] = [
            ("heads", enclave.heads.poll, settings.poll_seconds),
            ("peers", self._peers.poll, settings.peer_poll_seconds),
            ("renewal", renewal.check, RENEWAL_CHECK_SECONDS),
            ("funds", funds.check, FUNDS_CHECK_SECONDS),
            ("nodes", nodes.poll, NODE_CHECK_SECONDS),
        ]
        if settings.pccs is not None:
            collateral = ChainCollateral(settings.pccs.get_secret_value(), enclave)
            updater = CollateralUpdater(collateral, self._log)
            tasks.append(("collateral", updater.update, settings.collateral_seconds))
        return self._loops_of(tasks, self._end)

    def _loops_of(self, tasks: Sequence[Task], stop: threading.Event) -> list[Loop]:
        return make_loops(
            tasks,
            watched=self._view.tasks.watched,
            stop=stop,
            log=self._log,
            decline_margin_seconds=self._settings.decline_margin_seconds,
        )

    def _watch_funds(self) -> Funds:
        enclave, health = self._enclave, self._view.health
        funds = Funds(
            enclave.connection,
            enclave.sender.address,
            warn_below_ether=self._settings.warn_below_ether,
            metrics=self._view.metrics,
            log=self._log,
        )
        health.set_check("standing", self._standing.check)
        health.set_check("listener", self._listener_check)
        if self._settings.is_entry:  # a stage pays for nothing
            health.set_check("funds", funds.reasons)
        return funds

    def _listener_check(self) -> Iterator[str]:
        if not self._listener.is_accepting:
            yield "not_listening"

    # -- main loop -----------------------------------------------------------------------------

    def _main_loop(self) -> None:
        seconds = self._settings.peer_poll_seconds
        (follow,) = self._loops_of([("registry", self._follow_registry, seconds)], self._stop)
        follow.start()
        # In slices: a signal that the kernel hands to another thread, or that arrives just before
        # the wait, does not interrupt it. Its handler runs in this thread, between two slices.
        while not self._stop.wait(SIGNAL_SECONDS):
            pass
        self._log.info("stopping")
        follow.join(30.0)

    def _follow_registry(self) -> None:
        """Serves as the shard that the registry lists this enclave as. Raises `Retryable`."""
        own = self._enclave.registry.own_shard(at=self._enclave.heads.current())
        shard_id = own.shard_id if own is not None and self._is_own_enrolment(own) else None
        self._standing.own = own if shard_id is not None else None
        present = None if self._service is None else self._service.shard_id
        if shard_id == present:
            return
        if self._service is not None:
            self._log.warning("no longer serving", shard_id=int(self._service.shard_id))
            self._service.stop(0.0)
            self._service = None
            self._view.health.shard_id = None
            self._view.detach(SERVICE)
        if shard_id is not None:
            self._peers.poll()
            service = build_service(
                self._enclave,
                shard_id,
                listener=self._listener,
                peers=self._peers,
                view=self._view,
                log=self._log,
            )
            service.start()
            self._service = service
            self._view.health.shard_id = int(shard_id)
            self._log.info("serving", shard_id=int(shard_id), is_entry=self._settings.is_entry)

    def _is_own_enrolment(self, own: Shard) -> bool:
        # An expired or evicted shard keeps its service: no peer connects to it, and a renewal makes
        # it active again.
        if own.status is ShardStatus.RETIRED:
            return False
        if own.identity_digest != self._enclave.identity.identity_digest():
            self._log.error("enrolled with another identity", shard_id=int(own.shard_id))
            return False
        return True

    # -- shutdown ------------------------------------------------------------------------------

    def _shutdown(self) -> None:
        if self._service is not None:
            self._service.stop(self._settings.stop_grace_seconds)
        self._end.set()
        self._listener.close()
        self._enclave.key_file.close()
        for loop in self._loops:
            loop.join(5.0)
        self._data_directory.release()
        self._log.info("stopped")


def _print_ready_line(
    enclave: PreparedEnclave, port: int, operations_port: int, log: FilteringBoundLogger
) -> None:
    """One JSON line on stdout once the listener accepts enrolments. Public data only. The process
    serves also if the line cannot be written.
    """
    line = {
        "ready": True,
        "port": port,
        "operationsPort": operations_port,
        "simulated": enclave.settings.simulated,
    }
    line |= enclave.identity.to_json()
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except OSError as error:
        log.warning("the ready line cannot be written", error=error)

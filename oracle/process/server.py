# SPDX-License-Identifier: Apache-2.0
"""The process: start-up, main loop, shutdown. Signals only set an event."""

import json
import signal
import sys
import threading
import time
from types import FrameType

from structlog.typing import FilteringBoundLogger

from oracle.chain.peers import ChainPeers
from oracle.endpoints.enrol import PURPOSE as ENROL
from oracle.endpoints.enrol import EnrolEndpoint
from oracle.endpoints.rate_limits import RateLimit
from oracle.errors import Stopped
from oracle.process.collateral_updater import ChainUpkeep, Freshness
from oracle.process.data_directory import DataDirectory
from oracle.process.loops import Loop
from oracle.process.renewal import RenewalWatch
from oracle.process.service import EntryService, Service, StageService, link_identity
from oracle.process.settings import Settings
from oracle.process.startup import Enclave, prepare
from oracle.request.progress import Progress
from shard_runtime import Listener
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.protocol.identifiers import ShardId

RENEWAL_SECONDS = 600.0


class Server:
    """One enclave's process."""

    def __init__(self, settings: Settings, log: FilteringBoundLogger) -> None:
        self._settings = settings
        self._log = log
        self._stop = threading.Event()
        self._end = threading.Event()  # set last: heads and peers are needed until then
        self._progress = Progress()
        self._service: Service | None = None
        self._data_directory = DataDirectory(settings.data_directory)

    def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises `Fatal` when the process must not serve."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            self._startup()
        except Stopped:
            return
        try:
            self._main_loop()
        finally:
            self._shutdown()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _startup(self) -> None:
        self._data_directory.take()
        self._enclave = prepare(self._settings, stop=self._stop, log=self._log)
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
            handlers={ENROL: _enrol_endpoint(enclave, self._log).serve},
        )
        self._listener.start()
        self._loops = self._make_loops()
        for loop in self._loops:
            loop.start()
        _say_ready(enclave, self._listener.port)

    def _main_loop(self) -> None:
        follow = Loop(
            "registry",
            self._follow_registry,
            seconds=self._settings.peer_poll_seconds,
            stop=self._stop,
            log=self._log,
        )
        follow.start()
        self._stop.wait()
        self._log.info("stopping")
        follow.join(30.0)

    def _shutdown(self) -> None:
        if self._service is not None:
            self._service.stop(self._settings.stop_grace_seconds)
        self._end.set()
        self._listener.close()
        for loop in self._loops:
            loop.join(5.0)
        self._data_directory.release()
        self._log.info("stopped")

    def _make_loops(self) -> list[Loop]:
        enclave, settings = self._enclave, self._settings
        renewal = RenewalWatch(
            registry=enclave.registry,
            heads=enclave.heads,
            warn_before=settings.renewal_warning_seconds,
            log=self._log,
        )
        works = [
            ("heads", enclave.heads.poll, settings.poll_seconds),
            ("peers", self._peers.poll, settings.peer_poll_seconds),
            ("renewal", renewal.look, RENEWAL_SECONDS),
        ]
        if settings.pccs is not None:
            upkeep = ChainUpkeep(settings.pccs.get_secret_value(), enclave)
            look = Freshness(upkeep, self._log).look
            works.append(("collateral", look, settings.collateral_seconds))
        return [
            Loop(task, work, seconds=seconds, stop=self._end, log=self._log)
            for task, work, seconds in works
        ]

    def _follow_registry(self) -> None:
        """Serves as the shard that the registry has this enclave for. Raises `Retryable`."""
        own = self._enclave.registry.own_shard(at=self._enclave.heads.current())
        shard_id = None if own is None or not self._is_us(own) else own.shard_id
        present = None if self._service is None else self._service.shard_id
        if shard_id == present:
            return
        if self._service is not None:
            self._log.warning("no longer serving", shard_id=int(self._service.shard_id))
            self._service.stop(0.0)
            self._service = None
        if shard_id is not None:
            self._peers.poll()
            service = self._make_service(shard_id)
            service.start()
            self._service = service
            self._log.info("serving", shard_id=int(shard_id), is_entry=self._settings.is_entry)

    def _is_us(self, own: Shard) -> bool:
        # Expired or evicted, it stays ours: nobody talks to us then, and a renewal brings it back.
        if own.status is ShardStatus.RETIRED:
            return False
        if own.identity_digest != self._enclave.identity.identity_digest():
            self._log.error("enrolled as something else", shard_id=int(own.shard_id))
            return False
        return True

    def _make_service(self, shard_id: ShardId) -> Service:
        if not self._settings.is_entry:
            return StageService(self._enclave, shard_id, listener=self._listener, peers=self._peers)
        return EntryService(
            self._enclave,
            shard_id,
            listener=self._listener,
            peers=self._peers,
            progress=self._progress,
            log=self._log,
        )


def _enrol_endpoint(enclave: Enclave, log: FilteringBoundLogger) -> EnrolEndpoint:
    per_minute = enclave.settings.enrolments_per_minute
    return EnrolEndpoint(
        identity=enclave.identity,
        keys=enclave.keys,
        guest=enclave.guest,
        blocks=enclave.blocks,
        rate=RateLimit(
            per_second=per_minute / 60, burst=max(1, int(per_minute)), clock=time.monotonic
        ),
        log=log,
    )


def _say_ready(enclave: Enclave, port: int) -> None:
    """One JSON line on stdout, when the listener takes enrolments. Public data only."""
    identity = enclave.identity
    line = {
        "ready": True,
        "port": port,
        "chainId": identity.chain_id,
        "registry": identity.registry,
        "host": identity.host,
        "modelId": identity.model_id,
        "firstLayer": identity.layers.first,
        "endLayer": identity.layers.end,
        "isEntry": identity.is_entry,
        "sliceDigest": "0x" + identity.slice_digest.hex(),
        "signer": identity.keyset.signer,
        "kem": "0x" + identity.keyset.kem.hex(),
        "tls": "0x" + identity.keyset.tls.hex(),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()

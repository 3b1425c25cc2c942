# SPDX-License-Identifier: Apache-2.0
"""An entry's heartbeats on links: one thread sends them, the reading threads bring the answers.
Neither waits for the computing thread.
"""

import logging
import threading
import time
from collections.abc import Callable

from shard_runtime.engine.entry.heartbeats import HeartbeatMonitor, HeartbeatSettings
from shard_runtime.engine.entry.shard_performance import ShardPerformance
from shard_runtime.errors import LinkCongested
from shard_runtime.links.frames import Alive, Heartbeat, decode, encode
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Links
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class HeartbeatSender:
    """`on_timeout` is called, by the sending or a reading thread, with each shard of a running path
    that counts as dead.
    """

    def __init__(
        self,
        *,
        self_id: ShardId,
        links: Links,
        directory: PeerDirectory,
        settings: HeartbeatSettings,
        performance: ShardPerformance,
        on_timeout: Callable[[ShardId], None],
    ) -> None:
        self._links = links
        self._directory = directory
        self._interval_seconds = settings.interval_seconds
        self.monitor = HeartbeatMonitor(
            self_id=self_id,
            settings=settings,
            send=self._send,
            on_timeout=on_timeout,
            performance=performance,
            clock=time.monotonic,
        )
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)

    def start(self) -> None:
        """Start the sending thread."""
        self._thread.start()

    def close(self) -> None:
        """End the sending thread."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def record_reply(self, sender: bytes, body: bytes) -> None:
        """Record an answer, if the shard that it names sent it."""
        try:
            alive = decode(body)
            if isinstance(alive, Alive) and self._directory.find(alive.shard_id).tls == sender:
                self.monitor.record_reply(alive)
        except TeeTeeError as error:
            facts = {"kind": type(error).__name__, "peer": f"0x{sender.hex()}"}
            _log.warning("a heartbeat's answer was refused", extra=facts)

    def _run(self) -> None:
        while not self._closing.wait(self._interval_seconds):
            try:
                self.monitor.send_all()
            except Exception as error:  # noqa: BLE001 - the thread's boundary: without heartbeats, no dead stage is noticed
                _log.error("heartbeats were not sent", extra={"kind": type(error).__name__})

    def _send(self, shard_id: ShardId, heartbeat: Heartbeat) -> None:
        try:
            self._links.send_frame(shard_id, encode(heartbeat))
        except LinkCongested:
            _log.warning("a heartbeat was not sent: link congested", extra={"peer": shard_id})

# SPDX-License-Identifier: Apache-2.0
"""An entry's heartbeats on links: a thread that asks, and the answers as the reading threads bring
them. Neither waits for what computes.
"""

import logging
import threading
import time
from collections.abc import Callable

from shard_runtime.engine.entry.heartbeats import Heartbeats, HeartbeatSettings
from shard_runtime.engine.entry.measurements import Measurements
from shard_runtime.errors import LinkCongested
from shard_runtime.links.frames import Alive, Heartbeat, decode, encode
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Links
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class EntryPulse:
    """`silent` is told, in our thread or in one that reads, each shard of a running path that is
    taken for dead.
    """

    def __init__(
        self,
        *,
        ours: ShardId,
        links: Links,
        directory: PeerDirectory,
        settings: HeartbeatSettings,
        measurements: Measurements,
        silent: Callable[[ShardId], None],
    ) -> None:
        self._links = links
        self._directory = directory
        self._seconds = settings.seconds
        self.heartbeats = Heartbeats(
            ours=ours,
            settings=settings,
            send=self._ask,
            silent=silent,
            measurements=measurements,
            clock=time.monotonic,
        )
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeats", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def take(self, sender: bytes, body: bytes) -> None:
        """An answer; only the shard that it names can give it."""
        try:
            alive = decode(body)
            if isinstance(alive, Alive) and self._directory.find(alive.shard_id).tls == sender:
                self.heartbeats.answered(alive)
        except TeeTeeError as error:
            _log.warning("a frame was refused", extra={"kind": type(error).__name__})

    def _beat(self) -> None:
        while not self._closing.wait(self._seconds):
            self.heartbeats.beat()

    def _ask(self, shard_id: ShardId, heartbeat: Heartbeat) -> None:
        try:
            self._links.send(shard_id, encode(heartbeat))
        except LinkCongested:
            _log.warning("a stage does not read and is not asked", extra={"shard": shard_id})

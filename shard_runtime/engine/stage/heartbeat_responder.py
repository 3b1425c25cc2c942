# SPDX-License-Identifier: Apache-2.0
"""Answers heartbeats, in the reading threads. The answers show that this process is alive, how
loaded it is, and whether its computing thread makes progress.
"""

import logging
import math
import time
from collections.abc import Callable, Collection

from shard_runtime.links.frames import Alive, Heartbeat, Load, RunProgress, decode, encode
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Links
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class HeartbeatResponder:
    """`reply` is called by reading threads, the rest by the computing thread."""

    def __init__(
        self,
        self_id: ShardId,
        links: Links,
        directory: PeerDirectory,
        load: Callable[[], Load],
        progress: Callable[[bytes], tuple[RunProgress, ...]],
    ) -> None:
        """`progress`: of the runs of the entry with that key."""
        self._progress = progress
        self._self_id = self_id
        self._links = links
        self._directory = directory
        self._load = load
        self._last_heartbeat_at: dict[bytes, float] = {}

    def reply(self, sender: bytes, body: bytes) -> None:
        """Answer a heartbeat, if the shard that it names sent it."""
        try:
            heartbeat = decode(body)
            assert isinstance(heartbeat, Heartbeat)
            if self._directory.find(heartbeat.shard_id).tls == sender:
                self._last_heartbeat_at[sender] = time.monotonic()
                runs = self._progress(sender)
                alive = Alive(heartbeat.number, self._self_id, self._load(), runs)
                self._links.send_frame(heartbeat.shard_id, encode(alive))
        except Exception as error:  # noqa: BLE001 - the sender's link must stay open
            facts = {"kind": type(error).__name__, "peer": f"0x{sender.hex()}"}
            _log.warning("a heartbeat was not answered", extra=facts)

    def last_heartbeat_at(self, entry_tls: bytes) -> float:
        """When that entry's last heartbeat arrived."""
        return self._last_heartbeat_at.get(entry_tls, -math.inf)

    def keep_only(self, entries: Collection[bytes]) -> None:
        """Forget all other entries: they have no runs here."""
        for tls in [tls for tls in list(self._last_heartbeat_at) if tls not in entries]:
            self._last_heartbeat_at.pop(tls, None)

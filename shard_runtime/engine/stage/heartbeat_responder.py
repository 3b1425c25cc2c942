# SPDX-License-Identifier: Apache-2.0
"""A stage's answers to heartbeats, given by the threads that read: they say that this process
lives, how loaded it is, and whether its computing moves on.
"""

import logging
import math
import time
from collections.abc import Callable, Collection

from shard_runtime.links.frames import Alive, Heartbeat, Load, decode, encode
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Links
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class StagePulse:
    """`answer` is called by reading threads, the rest by the one that computes."""

    def __init__(
        self, ours: ShardId, links: Links, directory: PeerDirectory, load: Callable[[], Load]
    ) -> None:
        self._ours = ours
        self._links = links
        self._directory = directory
        self._load = load
        self._heard_at: dict[bytes, float] = {}

    def answer(self, sender: bytes, body: bytes) -> None:
        """Answer the shard that asks, if it is the sender."""
        try:
            heartbeat = decode(body)
            assert isinstance(heartbeat, Heartbeat)
            if self._directory.find(heartbeat.shard_id).tls == sender:
                self._heard_at[sender] = time.monotonic()
                alive = Alive(heartbeat.number, self._ours, self._load())
                self._links.send(heartbeat.shard_id, encode(alive))
        except TeeTeeError as error:
            _log.warning("a heartbeat was not answered", extra={"kind": type(error).__name__})

    def heard_at(self, entry_tls: bytes) -> float:
        """When that entry asked last."""
        return self._heard_at.get(entry_tls, -math.inf)

    def forget_all_but(self, entries: Collection[bytes]) -> None:
        """Only these have runs here."""
        for tls in [tls for tls in list(self._heard_at) if tls not in entries]:
            self._heard_at.pop(tls, None)

# SPDX-License-Identifier: Apache-2.0
"""The in-memory twin of the TLS links: the same seam without sockets, for tests and single
processes. It can also do to a shard what real machines do: die, freeze, lose a link.
"""

import queue
import threading
from collections.abc import Callable

from shard_runtime.errors import PeerUnknown
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Lost, Receive
from teetee.protocol.identifiers import ShardId

Tamper = Callable[[ShardId, bytes], bytes | None]
"""(receiver, body) → what arrives instead, or None for nothing: how tests damage what travels."""


class MemoryNetwork:
    """Where in-memory links meet. Frames arrive in a thread per receiver, as they do on sockets."""

    def __init__(self, directory: PeerDirectory, tamper: Tamper | None = None) -> None:
        self.directory = directory
        self.tamper: Tamper = tamper or (lambda _, body: body)
        self._places: dict[bytes, MemoryLinks] = {}

    def links(self, tls: bytes) -> "MemoryLinks":
        """The links of the shard with that key."""
        self._places[tls] = MemoryLinks(self, tls)
        return self._places[tls]

    def place(self, tls: bytes) -> "MemoryLinks | None":
        """The started links of the shard with that key, or None."""
        links = self._places.get(tls)
        return links if links is not None and links.started else None

    def kill(self, tls: bytes) -> None:
        """Like SIGKILL: nothing leaves that shard any more, and whoever sends to it is told."""
        self._places[tls].die()
        for links in self._places.values():
            links.lose_link_to(tls)

    def freeze(self, tls: bytes) -> None:
        """Like SIGSTOP: links stay open, and nothing moves behind them."""
        self._places[tls].running.clear()

    def thaw(self, tls: bytes) -> None:
        """Like SIGCONT: it goes on where it was."""
        self._places[tls].running.set()

    def cut(self, sender: bytes, receiver: bytes) -> None:
        """From now on nothing that one sends to the other arrives, and the sender is told."""
        self._places[sender].cut_off.add(receiver)
        self._places[sender].lose_link_to(receiver)


class MemoryLinks:
    """One shard's end."""

    def __init__(self, network: MemoryNetwork, tls: bytes) -> None:
        self.running = threading.Event()
        self.running.set()
        self.cut_off: set[bytes] = set()
        """Keys of shards that nothing of ours gets to."""
        self._network = network
        self._tls = tls
        self._arrived: queue.SimpleQueue[tuple[bytes, bytes] | None] = queue.SimpleQueue()
        self._sent_to: dict[bytes, ShardId] = {}
        self._receive: Receive | None = None
        self._lost: Lost | None = None

    @property
    def started(self) -> bool:
        return self._receive is not None

    def start(self, receive: Receive, lost: Lost) -> None:
        self._receive = receive
        self._lost = lost
        threading.Thread(target=self._deliver, name="memory-links", daemon=True).start()

    def send(self, shard_id: ShardId, body: bytes) -> None:
        self.running.wait()
        if not self.started:
            return
        try:
            tls = self._network.directory.find(shard_id).tls
            self._sent_to[tls] = shard_id
            there = None if tls in self.cut_off else self._network.place(tls)
        except PeerUnknown:
            there = None
        if there is None or not self._network.directory.accepts(self._tls):
            assert self._lost is not None
            self._lost(shard_id)
            return
        altered = self._network.tamper(shard_id, body)
        if altered is not None:
            there._arrived.put((self._tls, altered))

    def close(self) -> None:
        self._receive = None
        self._arrived.put(None)
        self.running.set()

    def die(self) -> None:
        """Nothing comes or goes any more; whoever computes here does not notice."""
        self._receive = None
        self._arrived.put(None)

    def lose_link_to(self, tls: bytes) -> None:
        """Tell that a link ended, if there was one."""
        if self.started and self._lost is not None and tls in self._sent_to:
            self._lost(self._sent_to[tls])

    def _deliver(self) -> None:
        while (arrived := self._arrived.get()) is not None:
            self.running.wait()
            if self._receive is not None:
                self._receive(*arrived)

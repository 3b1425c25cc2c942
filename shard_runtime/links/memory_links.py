# SPDX-License-Identifier: Apache-2.0
"""In-memory links without sockets, for tests and single processes. They can also fail like real
machines: die, freeze, lose a link.
"""

import queue
import threading
from collections.abc import Callable

from shard_runtime.errors import PeerRefused, PeerUnknown
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import OnFrame, OnPeerLost
from teetee.protocol.identifiers import ShardId

Tamper = Callable[[ShardId, bytes], bytes | None]
"""(receiver, body) → what arrives instead, or None for nothing: for tests that damage frames."""


class MemoryNetwork:
    """Connects in-memory links. Frames arrive in one thread per receiver, as they do on sockets."""

    def __init__(self, directory: PeerDirectory, tamper: Tamper | None = None) -> None:
        self.directory = directory
        self.tamper: Tamper = tamper or (lambda _, body: body)
        self._links: dict[bytes, MemoryLinks] = {}

    def links(self, tls: bytes) -> "MemoryLinks":
        """Make the links of the shard with that key."""
        self._links[tls] = MemoryLinks(self, tls)
        return self._links[tls]

    def started_links(self, tls: bytes) -> "MemoryLinks | None":
        """The started links of the shard with that key, or None."""
        links = self._links.get(tls)
        return links if links is not None and links.is_started else None

    def kill(self, tls: bytes) -> None:
        """Like SIGKILL: that shard sends nothing more, and its senders get a loss."""
        self._links[tls].die()
        for links in self._links.values():
            links.lose_link_to(tls)

    def freeze(self, tls: bytes) -> None:
        """Like SIGSTOP: links stay open, and nothing moves behind them."""
        self._links[tls].running.clear()

    def thaw(self, tls: bytes) -> None:
        """Like SIGCONT: it continues where it was."""
        self._links[tls].running.set()

    def cut(self, sender: bytes, receiver: bytes) -> None:
        """Drop all that `sender` sends to `receiver` from now on; `sender` gets a loss."""
        self._links[sender].cut_off.add(receiver)
        self._links[sender].lose_link_to(receiver)


class MemoryLinks:
    """One shard's end."""

    def __init__(self, network: MemoryNetwork, tls: bytes) -> None:
        self.running = threading.Event()
        self.running.set()
        self.cut_off: set[bytes] = set()
        """Keys of the shards that get nothing from here."""
        self._network = network
        self._tls = tls
        self._received: queue.SimpleQueue[tuple[bytes, bytes] | None] = queue.SimpleQueue()
        self._sent_to: dict[bytes, ShardId] = {}
        self._on_frame: OnFrame | None = None
        self._on_peer_lost: OnPeerLost | None = None

    @property
    def is_started(self) -> bool:
        """Whether frames are received."""
        return self._on_frame is not None

    def start(self, on_frame: OnFrame, on_peer_lost: OnPeerLost) -> None:
        self._on_frame = on_frame
        self._on_peer_lost = on_peer_lost
        threading.Thread(target=self._deliver, name="memory-links", daemon=True).start()

    def send_frame(self, shard_id: ShardId, body: bytes, tls: bytes | None = None) -> None:
        self.running.wait()
        if not self.is_started:
            return
        try:
            found = self._network.directory.find(shard_id).tls
            self._sent_to[found] = shard_id
            is_open = found not in self.cut_off and tls in (None, found)
            receiver = self._network.started_links(found) if is_open else None
        except PeerUnknown:
            receiver = None
        if receiver is None or not self._network.directory.accepts(self._tls):
            assert self._on_peer_lost is not None
            self._on_peer_lost(shard_id)
            return
        altered = self._network.tamper(shard_id, body)
        if altered is not None:
            receiver._received.put((self._tls, altered))

    def close(self) -> None:
        self._on_frame = None
        self._received.put(None)
        self.running.set()

    def die(self) -> None:
        """Send and receive nothing more, without a notice to the engine."""
        self._on_frame = None
        self._received.put(None)

    def lose_link_to(self, tls: bytes) -> None:
        """Report the link to that shard as lost, if there was one."""
        if self.is_started and self._on_peer_lost is not None and tls in self._sent_to:
            self._on_peer_lost(self._sent_to[tls])

    def _deliver(self) -> None:
        while (received := self._received.get()) is not None:
            self.running.wait()
            if self._on_frame is None:
                continue
            try:
                self._on_frame(*received)
            except PeerRefused:
                self._network.cut(received[0], self._tls)

# SPDX-License-Identifier: Apache-2.0
"""Which connections a listener holds: those whose handshake is pending, strangers', and links of
pinned peers. Each kind has places of its own, so that strangers cannot occupy those of peers.

A pending connection is never refused for lack of a place: it replaces the oldest one of the address
that has the most, in the network that has the most. Where several have as many, chance decides, so
that no one can time its connections to end those of others; and an honest handshake is over long
before its turn comes.
"""

import ipaddress
import random
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from shard_runtime.links.limits import LinkLimits

C = TypeVar("C", bound=Hashable)

_NETWORK_BITS = {4: 24, 6: 48}
"""What one customer easily has many addresses of."""


class ConnectionPlaces(Generic[C]):
    """Thread-safe. A connection that gives up its place is returned: its holder ends it."""

    def __init__(self, limits: LinkLimits) -> None:
        self._limits = limits
        # Each connection with its address or, for links, its peer's key; the oldest first.
        self._pending: dict[C, str] = {}
        self._strangers: dict[C, str] = {}
        self._links: dict[C, bytes] = {}
        self._lock = threading.Lock()

    def all(self) -> list[C]:
        """All connections, the pending ones first."""
        with self._lock:
            return [*self._pending, *self._strangers, *self._links]

    def add(self, connection: C, address: str) -> C | None:
        """Hold a new connection; returns the one that it replaces."""
        with self._lock:
            replaced = None
            if len(self._pending) >= self._limits.pending:
                of_network = _most_crowded(self._pending, _network_of)
                replaced = next(iter(_most_crowded(of_network, str)))
                del self._pending[replaced]
            self._pending[connection] = address
            return replaced

    def hold_stranger(self, connection: C) -> bool:
        """The handshake is done, and shows no peer. Returns whether there is a place."""
        with self._lock:
            address = self._pending.pop(connection, None)
            if address is None:  # it was replaced meanwhile
                return False
            of_address = sum(each == address for each in self._strangers.values())
            is_full = len(self._strangers) >= self._limits.strangers
            if is_full or of_address >= self._limits.connections_per_address:
                return False
            self._strangers[connection] = address
            return True

    def hold_link(self, connection: C, tls: bytes) -> list[C]:
        """The handshake is done, and shows a pinned peer; returns its oldest links, if it has more
        than it may.
        """
        with self._lock:
            self._pending.pop(connection, None)
            self._links[connection] = tls
            of_peer = [each for each, key in self._links.items() if key == tls]
            replaced = of_peer[: -self._limits.links_per_peer]
            for each in replaced:
                del self._links[each]
            return replaced

    def remove(self, connection: C) -> None:
        """The connection ended."""
        with self._lock:
            self._pending.pop(connection, None)
            self._strangers.pop(connection, None)
            self._links.pop(connection, None)


def _network_of(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, _NETWORK_BITS[parsed.version]), strict=False))


def _most_crowded(connections: Mapping[C, str], group_of: Callable[[str], str]) -> dict[C, str]:
    """Those of the largest group of addresses, in their order; of one of them if several are."""
    groups = {each: group_of(address) for each, address in connections.items()}
    sizes = Counter(groups.values())
    largest = [group for group, size in sizes.items() if size == max(sizes.values())]
    crowded = random.SystemRandom().choice(largest)
    return {each: at for each, at in connections.items() if groups[each] == crowded}

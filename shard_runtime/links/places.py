# SPDX-License-Identifier: Apache-2.0
"""Which connections a listener holds: those whose handshake is pending, strangers', those of
strangers whose handler is done, and links of pinned peers. Each kind has places of its own, so that
strangers cannot occupy those of peers.

A pending connection is never refused for lack of a place: it replaces the oldest one of the address
that has the most, in the network that has the most. Where several have as many, chance decides, so
that no one can time its connections to end those of others; and an honest handshake is over long
before its turn comes. A stranger replaces one that has said nothing yet in the same way, and is
refused only where all are being served. One whose handler is done keeps no other out.
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

    def __init__(
        self, limits: LinkLimits, is_silent: Callable[[C], bool] = lambda _: False
    ) -> None:
        """`is_silent`: whether a stranger's handler still waits for its first message."""
        self._limits = limits
        self._is_silent = is_silent
        # Each connection with its address or, for links, its peer's key; the oldest first.
        self._pending: dict[C, str] = {}
        self._strangers: dict[C, str] = {}
        self._lingering: dict[C, str] = {}
        self._links: dict[C, bytes] = {}
        self._lock = threading.Lock()

    def all(self) -> list[C]:
        """All connections, the pending ones first."""
        with self._lock:
            return [*self._pending, *self._strangers, *self._lingering, *self._links]

    def add(self, connection: C, address: str) -> C | None:
        """Hold a new connection; returns the one that it replaces."""
        with self._lock:
            replaced = None
            if len(self._pending) >= self._limits.pending:
                replaced = _oldest_of_the_crowd(self._pending)
                del self._pending[replaced]
            self._pending[connection] = address
            return replaced

    def hold_stranger(self, connection: C) -> list[C] | None:
        """The handshake is done, and shows no peer. Returns the silent stranger that it replaces,
        if any, or None if there is no place.
        """
        with self._lock:
            address = self._pending.pop(connection, None)
            if address is None:  # it was replaced meanwhile
                return None
            replaced = []
            rivals = self._rivals(address)
            if rivals is not None:
                silent = {each: at for each, at in rivals.items() if self._is_silent(each)}
                if not silent:
                    return None
                replaced = [_oldest_of_the_crowd(silent)]
                del self._strangers[replaced[0]]
            self._strangers[connection] = address
            return replaced

    def _rivals(self, address: str) -> dict[C, str] | None:
        """The strangers of which one must go before another one of that address gets a place."""
        of_address = {each: at for each, at in self._strangers.items() if at == address}
        if len(of_address) >= self._limits.connections_per_address:
            return of_address
        return self._strangers if len(self._strangers) >= self._limits.strangers else None

    def let_linger(self, connection: C) -> C | None:
        """A stranger's handler is done, and what it sent may still be on its way; returns the one
        that lingers no longer.
        """
        with self._lock:
            address = self._strangers.pop(connection, None)
            if address is None:
                return None
            replaced = None
            if len(self._lingering) >= self._limits.strangers:
                replaced = next(iter(self._lingering))
                del self._lingering[replaced]
            self._lingering[connection] = address
            return replaced

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
            self._lingering.pop(connection, None)
            self._links.pop(connection, None)


def _network_of(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, _NETWORK_BITS[parsed.version]), strict=False))


def _oldest_of_the_crowd(connections: Mapping[C, str]) -> C:
    return next(iter(_most_crowded(_most_crowded(connections, _network_of), str)))


def _most_crowded(connections: Mapping[C, str], group_of: Callable[[str], str]) -> dict[C, str]:
    """Those of the largest group of addresses, in their order; of one of them if several are."""
    groups = {each: group_of(address) for each, address in connections.items()}
    sizes = Counter(groups.values())
    largest = [group for group, size in sizes.items() if size == max(sizes.values())]
    crowded = random.SystemRandom().choice(largest)
    return {each: at for each, at in connections.items() if groups[each] == crowded}

# SPDX-License-Identifier: Apache-2.0
"""Limits on what a peer, or an unknown client, can make this process hold or wait for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """The defaults suit hidden sizes up to 16,384 and paths of a few dozen stages."""

    frame_bytes: int = 32 << 20
    """The longest frame on a link."""
    waiting_bytes: int = 256 << 20
    """The longest queue to one peer."""
    pending: int = 64
    """Connections whose handshake is not done; a further one replaces another."""
    strangers: int = 128
    """Connections for purposes without client certificates; a further one replaces one that has
    said nothing. As many again may linger after their reply."""
    connections_per_address: int = 64
    """Of those. Behind a gateway, all clients have its address."""
    links_per_peer: int = 4
    """One is in use; others may be left over from connections that broke. The newest stay."""
    accept_seconds: float = 3.0
    """From accepting a connection to knowing its peer and purpose."""
    handshake_seconds: float = 10.0
    """For connecting to a peer."""
    send_seconds: float = 20.0
    """How long a peer may stop reading before its link is closed."""
    receive_seconds: float = 300.0
    """A link without a frame for this long is closed. Longer than `idle_seconds`, its counterpart
    at the sender: the sender must close first, or a frame could be lost."""
    idle_seconds: float = 60.0
    connect_attempts: int = 5
    first_delay_seconds: float = 0.1
    """Between the first two attempts; it doubles each time."""
    watch_seconds: float = 1.0
    """How often the directory is asked for peers, and handshakes are checked."""

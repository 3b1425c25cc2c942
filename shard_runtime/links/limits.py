# SPDX-License-Identifier: Apache-2.0
"""Bounds on what a peer, or a stranger at the door, can make this process hold or wait for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Defaults suit hidden sizes up to 16,384 and paths of a few dozen stages."""

    frame_bytes: int = 32 << 20
    """The longest frame on a link."""
    waiting_bytes: int = 256 << 20
    """What may wait to be sent to one peer."""
    connections: int = 256
    connections_per_address: int = 64
    handshake_seconds: float = 10.0
    """From accepting a connection to knowing its peer and purpose; also for connecting."""
    send_seconds: float = 20.0
    """How long a peer may refuse to read before its link is given up."""
    receive_seconds: float = 300.0
    """A link on which nothing came for so long is closed. More than `idle_seconds`, which is the
    sender's side of the same: the sender must be the one who closes, or a frame could be lost."""
    idle_seconds: float = 60.0
    connect_attempts: int = 5
    first_delay_seconds: float = 0.1
    """Between the first two attempts; doubles every time."""
    watch_seconds: float = 1.0
    """How often peers are asked for in the directory, and handshakes looked at."""

# SPDX-License-Identifier: Apache-2.0
"""Why a stage gave up a run, as one byte between enclaves. It says a kind, never content."""

from enum import IntEnum


class Fault(IntEnum):
    """Values are protocol: never renumber."""

    CANCELLED = 1
    """The entry wants no more of it."""
    FRAME_INVALID = 2
    """A frame out of order, of the wrong hop, size or shape."""
    NOT_FINITE = 3
    """Hidden states with NaN or infinity."""
    PATH_INVALID = 4
    """The path names a stranger, has a gap, or came over another peer's link."""
    CACHE_FULL = 5
    """No room for the run's keys and values."""
    TOO_MANY_RUNS = 6
    """As many runs as the stage admits are open already."""
    LINK_LOST = 7
    """The next stage cannot be reached."""
    IDLE = 8
    """Nothing came for too long."""
    COMMITMENT_MISMATCH = 9
    """The stage before signed other bytes than it sent."""
    RECEIPT_INVALID = 10
    """A receipt which is not of that stage, run or place."""
    INTERNAL = 11
    """The stage's own failure; its log has the kind."""

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed on the same path later."""
        return self in _PASSING


_PASSING = frozenset(
    {
        Fault.CANCELLED,
        Fault.PATH_INVALID,  # its directory may be a few blocks behind ours
        Fault.CACHE_FULL,
        Fault.TOO_MANY_RUNS,
        Fault.LINK_LOST,
        Fault.IDLE,
        Fault.INTERNAL,
    }
)

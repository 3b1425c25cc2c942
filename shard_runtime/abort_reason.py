# SPDX-License-Identifier: Apache-2.0
"""Why a run was aborted, as one byte between enclaves: a kind, never content."""

from enum import IntEnum


class AbortReason(IntEnum):
    """Values are protocol: never renumber."""

    CANCELLED = 1
    """By the entry."""
    FRAME_INVALID = 2
    """A frame out of order, or of the wrong hop, size or shape."""
    NOT_FINITE = 3
    """Hidden states with NaN or infinity."""
    PATH_INVALID = 4
    """The path has an unknown shard or a gap, or arrived over another peer's link."""
    CACHE_FULL = 5
    """No room for the run's keys and values."""
    TOO_MANY_RUNS = 6
    """The stage has as many open runs as it admits."""
    LINK_LOST = 7
    """The next stage is unreachable."""
    IDLE = 8
    """No frame arrived for too long."""
    COMMITMENT_MISMATCH = 9
    """The previous stage signed other bytes than it sent."""
    RECEIPT_INVALID = 10
    """A receipt of another stage, run or place."""
    INTERNAL = 11
    """The stage's own failure; its log has the kind."""
    IDENTITY_DISPUTED = 12
    """The stage's directory shows another enclave as one of the path's shards than the entry's."""
    REQUEST_REFUSED = 13
    """The stage's view does not show the request as open, or not on these terms; or its runs have
    used up what it pays for."""

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed on the same path later."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {
        AbortReason.CANCELLED,
        AbortReason.PATH_INVALID,  # the directories may be a few blocks apart
        AbortReason.CACHE_FULL,
        AbortReason.TOO_MANY_RUNS,
        AbortReason.LINK_LOST,
        AbortReason.IDLE,
        AbortReason.INTERNAL,
        AbortReason.IDENTITY_DISPUTED,  # as above
        AbortReason.REQUEST_REFUSED,
    }
)

# SPDX-License-Identifier: Apache-2.0
"""How long to pause between two looks at the chain for something that is awaited. Pure."""

from collections.abc import Iterator

_GROWTH = 1.5


def poll_pauses(first: float, longest: float) -> Iterator[float]:
    """Seconds: short at first, when it is probable, then longer and longer."""
    pause = first
    while True:
        yield pause
        pause = min(pause * _GROWTH, longest)

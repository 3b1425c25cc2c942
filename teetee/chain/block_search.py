# SPDX-License-Identifier: Apache-2.0
"""Finds a block by its time. Pure, given a reader of blocks."""

from collections.abc import Callable

from teetee.chain.types.blocks import Block

_USUAL_SECONDS = 2
"""Base's time between blocks: where they are even, three reads find any block."""


def find_block(
    read: Callable[[int], Block], newest: Block, timestamp: int, *, not_before: int
) -> Block | None:
    """The first block from `not_before` on whose time is at least `timestamp`; None if there is
    none yet.

    Guesses by the times of the blocks that it knows, and halves the range where guesses fail.
    """
    if newest.timestamp < timestamp:
        return None
    low, high = not_before, newest
    """Every block before `low` is too early; `high` is late enough."""
    early: Block | None = None
    halve = False
    while low < high.number:
        guess = (low + high.number) // 2 if halve else _guess(early, high, newest, timestamp)
        block = read(min(max(guess, low), high.number - 1))
        before = high.number - low
        if block.timestamp < timestamp:
            low, early = block.number + 1, block
        else:
            high = block
        halve = not halve and (high.number - low) * 2 > before
    return high


def _guess(early: Block | None, late: Block, newest: Block, timestamp: int) -> int:
    """Where the first block of that time is if blocks are even; while it is the `late` one, the
    block before it.
    """
    if early is not None:
        seconds = max(1, late.timestamp - early.timestamp)
        share = (timestamp - early.timestamp) * (late.number - early.number)
        return early.number + -(-share // seconds)
    blocks, seconds = newest.number - late.number, newest.timestamp - late.timestamp
    if not blocks or not seconds:
        blocks, seconds = 1, _USUAL_SECONDS
    return late.number - max(1, (late.timestamp - timestamp) * blocks // seconds)

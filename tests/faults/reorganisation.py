# SPDX-License-Identifier: Apache-2.0
"""Replaces the chain's last blocks, as a reorganisation does."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.faults.traffic import batch_call
from tests.faults.world import FaultWorld


def reorganise(world: FaultWorld, depth: int, how: str) -> int:
    """Replace up to `depth` blocks; how many it were.

    The new blocks hold the same transactions in the same order, in another order, or none. In
    another order, those of one sender stay in theirs, and all are in the first few blocks.
    """
    chain = world.chain
    head = chain.block_number()
    depth = min(depth, head - world.first_block)
    if depth < 1:
        return 0
    blocks = batch_call(
        world,
        [("eth_getBlockByNumber", [hex(head - depth + 1 + place), True]) for place in range(depth)],
    )
    sent = [
        (place, transaction)
        for place, block in enumerate(blocks)
        for transaction in (block or {}).get("transactions", [])
    ]
    raws = batch_call(
        world, [("eth_getRawTransactionByHash", [one["hash"]]) for _, one in sent]
    ) if sent else []
    if how == "dropped":
        chain.call("anvil_reorg", depth, [])
        return depth
    pairs = [
        (raw, place, one["from"])
        for raw, (place, one) in zip(raws, sent, strict=True)
        if raw is not None
    ]
    placed = _shuffled(pairs, depth) if how == "shuffled" else [(raw, at) for raw, at, _ in pairs]
    chain.call("anvil_reorg", depth, [[raw, at] for raw, at in placed])
    return depth


def _shuffled(pairs: list[tuple[Any, int, str]], depth: int) -> list[tuple[Any, int]]:
    """Senders in another order; each sender's transactions in their own."""
    senders = sorted({sender for _, _, sender in pairs})
    Random(f"{len(pairs)}").shuffle(senders)  # noqa: S311
    return [
        (raw, min(place, depth - 1))
        for place, sender in enumerate(senders)
        for raw, _, who in pairs
        if who == sender
    ]

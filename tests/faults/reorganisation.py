# SPDX-License-Identifier: Apache-2.0
"""Replaces the chain's last blocks, as a reorganisation does."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.faults.rpc import batch_call
from tests.faults.world import FaultWorld


def reorganise(world: FaultWorld, depth: int, how: str) -> int:
    """Replace up to `depth` blocks by empty ones; how many it were.

    Their transactions wait at the node again and are in the next block, in the same order or with
    the senders in another order; or they are dropped, and have to be sent again.
    """
    chain = world.chain
    head = chain.block_number()
    depth = min(depth, head - world.first_block)
    if depth < 1:
        return 0
    sent = _transactions(world, range(head - depth + 1, head + 1)) if how != "dropped" else []
    now = chain.now()
    chain.call("anvil_reorg", depth, [])
    # anvil gives all new blocks the time of the last old one. Time does not go back: on Base, a
    # block's time follows from its number.
    chain.call("evm_setNextBlockTimestamp", now + 1)
    chain.call("evm_mine")
    if how == "shuffled":
        sent = _shuffled(sent, f"{head}/{depth}")
    batch_call(world, [("eth_sendRawTransaction", [raw]) for _, raw in sent])
    return depth


def _transactions(world: FaultWorld, numbers: range) -> list[tuple[str, Any]]:
    """Sender and raw bytes of each, in order."""
    blocks = batch_call(
        world, [("eth_getBlockByNumber", [hex(number), True]) for number in numbers]
    )
    sent = [one for block in blocks if block for one in block["transactions"]]
    raws = batch_call(world, [("eth_getRawTransactionByHash", [one["hash"]]) for one in sent])
    return [(one["from"], raw) for one, raw in zip(sent, raws, strict=True) if raw is not None]


def _shuffled(sent: list[tuple[str, Any]], seed: str) -> list[tuple[str, Any]]:
    """Senders in another order; each sender's transactions in their own."""
    senders = sorted({sender for sender, _ in sent})
    Random(seed).shuffle(senders)
    return sorted(sent, key=lambda one: senders.index(one[0]))

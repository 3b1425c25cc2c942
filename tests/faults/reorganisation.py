# SPDX-License-Identifier: Apache-2.0
"""Replaces the chain's last blocks, as a reorganisation does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from demo.errors import ChainRefused
from demo.local_chain import LocalChain
from demo.phases.chain import BLOCK_SECONDS
from teetee.chain.types.requests import RequestRefunded
from tests.faults.ledger import read_ledger
from tests.faults.outages import UndoneEnd
from tests.faults.rpc import batch_call
from tests.faults.world import FaultWorld

_ONE_AT_A_TIME = threading.Lock()
_STILL_SECONDS = 0.2


def reorganise(
    world: FaultWorld, depth: int, how: str, on_undone: Callable[[Sequence[UndoneEnd]], None]
) -> None:
    """Replace up to `depth` blocks by empty ones. `on_undone` gets the ends in them beforehand.

    Their transactions wait at the node again and are in the next block, in the same order or with
    the senders in another order; or they are dropped, and have to be sent again.
    """
    chain = world.chain
    # A block between reading and replacing would be lost unseen.
    with _ONE_AT_A_TIME, _without_new_blocks(chain):
        head = chain.block_number()
        fork = max(head - depth, world.first_block)
        if fork >= head:
            return
        sent = _transactions(world, range(fork + 1, head + 1)) if how != "dropped" else []
        now = chain.now()
        on_undone(_ends(world, fork, now + 1))
        chain.call("anvil_reorg", head - fork, [])
        _check_whole(world, range(fork, head + 1))
        # anvil gives all new blocks the time of the last old one. Time does not go back: on Base, a
        # block's time follows from its number.
        chain.call("evm_setNextBlockTimestamp", now + 1)
        chain.call("evm_mine")
        if how == "shuffled":
            sent = _shuffled(sent, f"{head}/{depth}")
        batch_call(world, [("eth_sendRawTransaction", [raw]) for _, raw in sent])


@contextmanager
def _without_new_blocks(chain: LocalChain) -> Iterator[None]:
    chain.call("anvil_setIntervalMining", 0)
    try:
        _await_block_in_progress(chain)
        yield
    finally:
        chain.call("anvil_setIntervalMining", BLOCK_SECONDS)


def _await_block_in_progress(chain: LocalChain) -> None:
    """anvil 1.7 stops its timer, but not the block that it is making, and does not keep it apart
    from a reorganisation: that left numbers without a block (foundry-rs/foundry#16711).
    """
    chain.call("evm_mine")  # one at a time: this comes after it
    head = chain.block_number()
    while True:
        time.sleep(_STILL_SECONDS)
        now = chain.block_number()
        if now == head:
            return
        head = now


def _check_whole(world: FaultWorld, numbers: range) -> None:
    """Raises `ChainRefused` if the chain itself is broken, and not what is tested on it."""
    blocks = batch_call(
        world, [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
    )
    missing = [number for number, block in zip(numbers, blocks, strict=True) if block is None]
    if missing:
        raise ChainRefused("anvil_reorg", f"it left no blocks {missing}")


def _ends(world: FaultWorld, fork: int, retried_at: int) -> list[UndoneEnd]:
    """Of the blocks after `fork`. A refund comes after the deadline: it was no end in time."""
    return [
        UndoneEnd(request_id, fork, retried_at)
        for request_id, ends in read_ledger(world, fork + 1).ends.items()
        if not all(isinstance(end, RequestRefunded) for end in ends)
    ]


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

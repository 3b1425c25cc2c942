# SPDX-License-Identifier: Apache-2.0
"""Reads events in bounded block ranges; halves a range that a node refuses as too large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from teetee.chain.calldata import plain
from teetee.chain.connection import Connection, translate_errors
from teetee.chain.errors import RpcRefused
from teetee.chain.types.blocks import EventLog

if TYPE_CHECKING:
    from web3.contract import Contract
    from web3.types import EventData, LogReceipt

BLOCKS_PER_RANGE = 10_000
WHOLE_CHAIN = 1 << 40
"""A range for rare events. Nodes that refuse it are asked for smaller ranges."""
_TOO_LARGE_WORDS = (
    "range",
    "limit",
    "too many",
    "too large",
    "response size",
    "more than",
    "exceed",
    "timeout",
)


def read_logs(
    connection: Connection,
    contract: Contract,
    event: str,
    *,
    first_block: int,
    last_block: int,
    blocks_per_range: int = BLOCKS_PER_RANGE,
    **indexed: Any,
) -> Iterator[EventLog]:
    """The events of one kind in `[first_block, last_block]`, oldest first, filtered by indexed
    arguments.

    They are hints: a node may withhold events, and a reorganization removes them.
    """
    start, size = first_block, blocks_per_range
    while start <= last_block:
        end = min(start + size - 1, last_block)
        try:
            found = _read_range(connection, contract, event, start, end, indexed)
        except RpcRefused as error:
            if start == end or not _is_too_large(error):
                raise
            size = (end - start + 1) // 2
            continue
        yield from found
        start = end + 1


def logs_of_receipt(
    contract: Contract, event: str, receipt_logs: Sequence[LogReceipt]
) -> list[EventLog]:
    """The events of one kind that this contract emitted in one transaction."""
    from web3.exceptions import LogTopicError, MismatchedABI

    kind = contract.events[event]()
    found = []
    for entry in receipt_logs:
        if entry["address"] != contract.address:
            continue
        try:
            found.append(_decode(kind.process_log(entry)))
        except (MismatchedABI, LogTopicError):  # another event of the same contract
            continue
    return found


def _read_range(
    connection: Connection,
    contract: Contract,
    event: str,
    first_block: int,
    last_block: int,
    indexed: Mapping[str, Any],
) -> list[EventLog]:
    kind = contract.events[event]()
    with translate_errors("eth_getLogs", first_block):
        entries = kind.get_logs(
            from_block=first_block, to_block=last_block, argument_filters=dict(indexed)
        )
    return sorted(
        (_decode(entry) for entry in entries), key=lambda log: (log.block_number, log.index)
    )


def _decode(entry: EventData) -> EventLog:
    return EventLog(
        event=str(entry["event"]),
        arguments=plain(entry["args"]),
        block_number=int(entry["blockNumber"]),
        transaction_hash="0x" + bytes(entry["transactionHash"]).hex(),
        index=int(entry["logIndex"]),
    )


def _is_too_large(error: RpcRefused) -> bool:
    return any(word in error.detail.lower() for word in _TOO_LARGE_WORDS)

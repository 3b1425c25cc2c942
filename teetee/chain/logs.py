# SPDX-License-Identifier: Apache-2.0
"""Events in bounded block ranges. A range that a node finds too large is halved until it is not."""

from collections.abc import Iterator, Mapping
from typing import Any

from eth_typing import HexStr
from web3.contract import Contract
from web3.exceptions import LogTopicError, MismatchedABI
from web3.types import EventData, LogReceipt

from teetee.chain.calldata import plain
from teetee.chain.connection import Connection, Log, translate_errors
from teetee.chain.errors import RpcRefused

BLOCKS_PER_RANGE = 10_000
WHOLE_CHAIN = 1 << 40
"""As a range, for few events anywhere: nodes which refuse it tell so, and it is halved."""
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
) -> Iterator[Log]:
    """The events of one kind in `[first_block, last_block]`, oldest first, filtered by indexed
    arguments.

    What a node shows is a hint: a node may withhold events, and a reorganization takes them back.
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


def logs_of_receipt(contract: Contract, event: str, receipt_logs: list[LogReceipt]) -> list[Log]:
    """The events of one kind which this contract emitted in one transaction."""
    kind = contract.events[event]()
    found = []
    for entry in receipt_logs:
        if entry["address"] != contract.address:
            continue
        try:
            found.append(_decoded(kind.process_log(entry)))
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
) -> list[Log]:
    kind = contract.events[event]()
    with translate_errors("eth_getLogs", first_block):
        entries = kind.get_logs(
            from_block=first_block, to_block=last_block, argument_filters=dict(indexed)
        )
    return sorted(
        (_decoded(entry) for entry in entries), key=lambda log: (log.block_number, log.index)
    )


def _decoded(entry: EventData) -> Log:
    return Log(
        event=str(entry["event"]),
        arguments=plain(entry["args"]),
        block_number=int(entry["blockNumber"]),
        transaction_hash=HexStr("0x" + bytes(entry["transactionHash"]).hex()),
        index=int(entry["logIndex"]),
    )


def _is_too_large(error: RpcRefused) -> bool:
    return any(word in error.detail.lower() for word in _TOO_LARGE_WORDS)

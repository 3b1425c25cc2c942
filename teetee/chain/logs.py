# SPDX-License-Identifier: Apache-2.0
"""Reads events in bounded block ranges; asks for smaller ones if a node refuses a range as too
large, and remembers what it accepts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
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
NEAR_BLOCKS = 10
"""Known blocks this near to each other are read as one range. Every node accepts so small a one."""
_TOO_LARGE_WORDS = (
    "range",
    "limit",
    "too many",
    "too large",
    "response size",
    "more than",
    "exceed",
    "timeout",
    "blocks",
)
# "up to a 10 block range", "limited to 1,000 blocks", "maximum block range: 5000"
_ACCEPTED_RANGE = re.compile(r"\b([\d,]+)[ -]blocks?\b|\bblock range[^\d]{1,12}([\d,]+)")
_REDUCTION = 10

Events = str | tuple[str, ...]
"""One kind of events, or several whose indexed arguments have the same names and order as far as
they are filtered by."""


def read_logs(
    connection: Connection,
    contract: Contract,
    events: Events,
    *,
    first_block: int,
    last_block: int,
    blocks_per_range: int = BLOCKS_PER_RANGE,
    **indexed: Any,
) -> Iterator[EventLog]:
    """The events of these kinds in `[first_block, last_block]`, oldest first, filtered by indexed
    arguments; a collection as argument stands for any of its values.

    They are hints: a node may withhold events, and a reorganization removes them.
    """
    names = (events,) if isinstance(events, str) else events
    log_filter = _filter(contract, names, indexed)
    start = first_block
    size = min(blocks_per_range, connection.max_log_blocks or blocks_per_range)
    while start <= last_block:
        end = min(start + size - 1, last_block)
        try:
            found = _read_range(connection, contract, names, start, end, log_filter)
        except RpcRefused as error:
            size = _learn_limit(connection, end - start + 1, error)
            continue
        yield from found
        start = end + 1


def read_logs_in_blocks(
    connection: Connection,
    contract: Contract,
    events: Events,
    blocks: Collection[int],
    **indexed: Any,
) -> list[EventLog]:
    """The events of these kinds in known blocks, oldest first. Near ones are read together, with
    the blocks between them.
    """
    names = (events,) if isinstance(events, str) else events
    log_filter = _filter(contract, names, indexed)
    found: list[EventLog] = []
    waiting = sorted(set(blocks))
    while waiting:
        span = min(NEAR_BLOCKS, connection.max_log_blocks or NEAR_BLOCKS)
        near = [block for block in waiting if block - waiting[0] < span]
        try:
            found += _read_range(connection, contract, names, near[0], near[-1], log_filter)
        except RpcRefused as error:
            _learn_limit(connection, near[-1] - near[0] + 1, error)
            continue
        waiting = waiting[len(near) :]
    return found


def logs_of_receipt(
    contract: Contract, event: str, receipt_logs: Sequence[LogReceipt]
) -> list[EventLog]:
    """The events of one kind that this contract emitted in one transaction."""
    return [
        found
        for entry in receipt_logs
        if entry["address"] == contract.address
        and (found := _decode(contract, (event,), entry)) is not None
    ]


def _read_range(
    connection: Connection,
    contract: Contract,
    events: Sequence[str],
    first_block: int,
    last_block: int,
    log_filter: Mapping[str, Any],
) -> list[EventLog]:
    asked: Any = dict(log_filter, fromBlock=hex(first_block), toBlock=hex(last_block))
    with translate_errors("eth_getLogs", first_block):
        entries = connection.web3.eth.get_logs(asked)
    decoded = [_decode(contract, events, entry) for entry in entries]
    return sorted(
        (log for log in decoded if log is not None), key=lambda log: (log.block_number, log.index)
    )


def _filter(contract: Contract, events: Sequence[str], indexed: Mapping[str, Any]) -> Any:
    """Address and topics. Raises `ValueError` if the events do not agree on the arguments'
    positions.
    """
    from eth_utils.abi import event_abi_to_log_topic

    kinds = [contract.events[name]().abi for name in events]
    arguments = {
        tuple((each["name"], each["type"]) for each in kind["inputs"] if each["indexed"])[
            : 1 + _last_position(kind, indexed)
        ]
        for kind in kinds
    }
    if len(arguments) != 1:
        raise ValueError(f"{', '.join(events)} have different indexed arguments")
    topics: list[Any] = [["0x" + event_abi_to_log_topic(kind).hex() for kind in kinds]]
    for name, abi_type in arguments.pop():
        topics.append(_topic(abi_type, indexed[name]) if name in indexed else None)
    return {"address": contract.address, "topics": topics}


def _last_position(kind: Any, indexed: Mapping[str, Any]) -> int:
    """Of the filtered arguments among the indexed ones; -1: none is filtered."""
    names = [each["name"] for each in kind["inputs"] if each["indexed"]]
    return max((names.index(name) for name in indexed), default=-1)


def _topic(abi_type: str, value: Any) -> list[str]:
    from eth_abi.abi import encode

    values = value if isinstance(value, list | tuple | set | frozenset) else [value]
    return ["0x" + encode([abi_type], [each]).hex() for each in values]


def _decode(contract: Contract, events: Sequence[str], entry: LogReceipt) -> EventLog | None:
    """None: an event of another kind, or one that the contract cannot have emitted: the node has
    made it up.
    """
    from eth_abi.exceptions import DecodingError
    from web3.exceptions import LogTopicError, MismatchedABI

    for name in events:
        try:
            return _event_log(contract.events[name]().process_log(entry), entry)
        except (MismatchedABI, LogTopicError, DecodingError, UnicodeDecodeError):
            continue
    return None


def _event_log(decoded: EventData, entry: LogReceipt) -> EventLog:
    timestamp: Any = entry.get("blockTimestamp")
    if isinstance(timestamp, str):
        timestamp = int(timestamp, 16)
    return EventLog(
        event=str(decoded["event"]),
        arguments=plain(decoded["args"]),
        block_number=int(decoded["blockNumber"]),
        transaction_hash="0x" + bytes(decoded["transactionHash"]).hex(),
        index=int(decoded["logIndex"]),
        timestamp=timestamp if isinstance(timestamp, int) else None,
    )


def _learn_limit(connection: Connection, asked: int, error: RpcRefused) -> int:
    """The range to ask for after one of `asked` blocks was refused. Raises the refusal if it has
    another reason.
    """
    if asked == 1 or not any(word in error.detail.lower() for word in _TOO_LARGE_WORDS):
        raise error
    connection.max_log_blocks = _smaller_range(asked, error)
    return connection.max_log_blocks


def _smaller_range(asked: int, error: RpcRefused) -> int:
    """As the refusal says, or a tenth."""
    for match in _ACCEPTED_RANGE.finditer(error.detail.lower()):
        accepted = int((match[1] or match[2]).replace(",", "") or 0)
        if 1 <= accepted < asked:
            return accepted
    return max(1, asked // _REDUCTION)

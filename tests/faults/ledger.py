# SPDX-License-Identifier: Apache-2.0
"""What the chain's events say about requests, from one block to another."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from teetee.chain.logs import read_logs
from teetee.chain.types.abi_fields import from_abi, from_event
from teetee.chain.types.blocks import EventLog
from teetee.chain.types.requests import (
    DeclineReason,
    RequestDeclined,
    RequestEnd,
    RequestOpened,
    RequestRefunded,
    RequestSettled,
    StageSettled,
)
from teetee.protocol.identifiers import RequestId
from tests.faults.world import FaultWorld

_EVENTS = ("StageSettled", "RequestSettled", "RequestDeclined", "RequestRefunded")


@dataclass
class Ledger:
    """Openings by client nonce, ends by request: there must be one of each."""

    opened: dict[bytes, list[RequestOpened]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[RequestId, list[RequestEnd]] = field(default_factory=lambda: defaultdict(list))


def read_ledger(world: FaultWorld, first_block: int) -> Ledger:
    """All events of the escrow from that block to the head."""
    ledger, contracts = Ledger(), world.contracts
    head = world.chain.block_number()
    span = {"first_block": first_block, "last_block": head}
    for log in read_logs(contracts.connection, contracts.escrow.contract, "RequestOpened", **span):
        opened = from_event(RequestOpened, log)
        ledger.opened[opened.client_nonce].append(opened)
    stages: dict[tuple[RequestId, int], list[StageSettled]] = defaultdict(list)
    for log in read_logs(contracts.connection, contracts.escrow.contract, _EVENTS, **span):
        request_id = RequestId(log.arguments["requestId"])
        key = (request_id, log.block_number)
        if log.event == "StageSettled":
            stages[key].append(from_abi(StageSettled, log.arguments))
        else:
            ledger.ends[request_id].append(_end(log, tuple(stages.pop(key, ()))))
    return ledger


def _end(log: EventLog, stages: tuple[StageSettled, ...]) -> RequestEnd:
    match log.event:
        case "RequestSettled":
            return from_event(RequestSettled, log, stages=stages)
        case "RequestDeclined":
            return from_event(RequestDeclined, log, reason=DeclineReason(log.arguments["reason"]))
        case _:
            return from_event(RequestRefunded, log)

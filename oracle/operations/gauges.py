# SPDX-License-Identifier: Apache-2.0
"""Gauges that are read when `/metrics` is asked: of runtime, links and transactions."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from oracle.chain.peers import ChainPeers
from oracle.operations.metrics import Metrics
from shard_runtime import EngineReport, LinkReport, Listener
from teetee.chain.transactions.events import SendingEvent, SendingStep
from teetee.chain.transactions.sender import TransactionSender
from teetee.protocol.endpoint import ENROL_ALPN, LINK_ALPN, STREAM_ALPN
from teetee.protocol.identifiers import ShardId

WEI_PER_GWEI = 10**9
WEI_PER_ETHER = 10**18

_PURPOSES = {LINK_ALPN: "link", ENROL_ALPN: "enrol", STREAM_ALPN: "stream", None: "handshake"}

# The exact share would tell the length of a prompt that is alone in the cache.
_CACHE_STEPS = 20


class Runtime(Protocol):
    """`shard_runtime`'s Entry or Stage."""

    def report(self) -> EngineReport:
        """Its counts and sizes."""


def expose_runtime(metrics: Metrics, runtime: Runtime) -> Callable[[], None]:
    """A source of the computing thread's metrics."""

    def read() -> None:
        report = runtime.report()
        used = report.cache_bytes_used / max(1, report.cache_bytes)
        metrics.set("runs_open", report.open_runs)
        metrics.set("inbox_frames", report.inbox_frames)
        metrics.set("cache_used_ratio", math.ceil(used * _CACHE_STEPS) / _CACHE_STEPS)
        metrics.set_total("steps", report.steps)
        metrics.set_total("rows", report.rows)

    return read


def expose_links(
    metrics: Metrics,
    *,
    peers: ChainPeers,
    listener: Listener,
    outgoing: Callable[[], Mapping[ShardId, LinkReport]],
) -> Callable[[], None]:
    """A source of the links' metrics, by the peers' shard ids."""

    def read() -> None:
        shards = {shard.keyset.tls: shard.shard_id for shard in peers.active_shards()}
        connections = listener.connections()
        links = outgoing()
        to_us = {shards[tls] for _, tls in connections if tls is not None and tls in shards}
        metrics.replace(
            "link_connected",
            [
                *(
                    ({"peer": int(shard_id), "direction": "out"}, int(link.is_connected))
                    for shard_id, link in links.items()
                ),
                *(({"peer": int(shard_id), "direction": "in"}, 1) for shard_id in to_us),
            ],
        )
        metrics.replace(
            "link_waiting_bytes",
            [({"peer": int(each)}, link.waiting_bytes) for each, link in links.items()],
        )
        counts = Counter(_PURPOSES.get(purpose, "other") for purpose, _ in connections)
        for purpose in _PURPOSES.values():
            metrics.set("connections", counts[purpose], purpose=purpose)
        metrics.set("active_shards", len(shards))

    return read


def expose_sender(metrics: Metrics, sender: TransactionSender) -> Callable[[], None]:
    """A source of the transactions in flight."""
    return lambda: metrics.set("transactions_in_flight", sender.in_flight)


def record_sending(metrics: Metrics, event: SendingEvent) -> None:
    """Counts one step of a transaction."""
    metrics.increase("transactions", function=event.function, step=event.step.value)
    if event.step in (SendingStep.SENT, SendingStep.RAISED):
        metrics.set("offered_fee_gwei", event.fees.max_fee / WEI_PER_GWEI)
    if event.gas_used:
        metrics.increase("gas_used", event.gas_used, function=event.function)
        metrics.increase("fees_ether", event.fee / WEI_PER_ETHER, function=event.function)

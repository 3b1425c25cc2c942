# SPDX-License-Identifier: Apache-2.0
"""Every metric: name, meaning, labels and the values that each label may have.

Metrics are public: the host reads them. So no label holds anything of a user, each label has few
values, and what grows with a request (tokens, times) is counted when its run has ended, so that it
says no more of the request than its settlement does. docs/operations.md explains them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from oracle.request.request_work import Progress
from teetee.chain.transactions.events import SendingStep
from teetee.chain.types.requests import DeclineReason, RequestStatus

PREFIX = "teetee_"
OTHER = "other"
"""Stands for any value that a label does not list."""


class Kind(Enum):
    """Prometheus's types."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """The values that a label may have: those listed, and whole numbers if `numbers`."""

    values: frozenset[str] = frozenset()
    numbers: bool = False

    def admits(self, value: str) -> bool:
        """Whether the label may have this value."""
        return value in self.values or (self.numbers and value.isascii() and value.isdecimal())


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric. Counters are exposed with `_total` appended to the name."""

    name: str
    kind: Kind
    meaning: str
    labels: Mapping[str, Label] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()


def _listed(*values: str) -> Label:
    return Label(frozenset(values) | {OTHER})


_SHARD = Label(numbers=True)
"""A shard's id, which the registry publishes."""
_NODE = Label(numbers=True)
"""A node's place in TEETEE_RPC_URL, counted from 1: host names can hold keys."""
_FUNCTION = _listed(
    "settle", "settleBatch", "decline", "refund", "recheck", "judge",
    "updateRootCrl", "updatePckCrl", "updateLongPckCrl", "updateTcbInfo", "updateQeIdentity",
    "addAuthority", "addPckCertificate", "addCollateralSigner", "addPart", "addPage",
)  # fmt: skip
_TASK = _listed(
    "heads", "peers", "renewal", "collateral", "registry", "funds", "nodes", "watch", "prune",
    "journal", "dispatch", "receive", "answer", "settle", "decline", "refund",
)  # fmt: skip
NOT_READY = (
    "starting", "draining", "not_enrolled", "shard_inactive", "quote_expired", "head_stale",
    "no_path", "no_ether", "task_stuck", "not_listening",
)  # fmt: skip

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_RATES = (0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def _metrics(kind: Kind, *rows: tuple[str, str, dict[str, Label]]) -> dict[str, Metric]:
    return {name: Metric(PREFIX + name, kind, meaning, labels) for name, meaning, labels in rows}


def _histogram(name: str, meaning: str, buckets: tuple[float, ...]) -> dict[str, Metric]:
    return {name: Metric(PREFIX + name, Kind.HISTOGRAM, meaning, {}, buckets)}


_ENDS = _listed(*(status.name.lower() for status in RequestStatus))
_REASONS = _listed(*(reason.name.lower() for reason in DeclineReason))
_STEPS = _listed(*(step.value for step in SendingStep))

METRICS: Mapping[str, Metric] = {
    # -- requests (entries) --------------------------------------------------------------------
    **_metrics(
        Kind.GAUGE,
        (
            "requests_in_work",
            "Open requests by what they are at; waiting: the queue.",
            {"state": _listed(*(progress.value for progress in Progress))},
        ),
        ("journal_failing", "1 while answers cannot be written to the disk.", {}),
    ),
    **_metrics(
        Kind.COUNTER,
        (
            "requests_ended",
            "Requests that ended, by how; none: gone by a reorganisation.",
            {"outcome": _ENDS},
        ),
        ("refusals", "Requests that this entry declined, by reason.", {"reason": _REASONS}),
        (
            "answer_attempts_failed",
            "Attempts to answer that failed and are repeated.",
            {"reason": _listed("no_path", "retryable", "unexpected")},
        ),
        ("path_failures", "Paths that broke, by the shard blamed.", {"peer": _SHARD}),
        ("tokens", "Tokens of answers that ended.", {"kind": _listed("input", "output")}),
    ),
    **_histogram("queue_seconds", "Wait for a slot, per answer.", _SECONDS),
    **_histogram(
        "time_to_first_token_seconds", "From a slot to the first text, per answer.", _SECONDS
    ),
    **_histogram("tokens_per_second", "Output tokens per second of computing, per answer.", _RATES),
    # -- runtime and links ---------------------------------------------------------------------
    **_metrics(
        Kind.GAUGE,
        ("runs_open", "Runs that are open, or wait for room in the cache.", {}),
        ("cache_used_ratio", "Reserved share of TEETEE_CACHE_BYTES, rounded up to 0.05.", {}),
        ("inbox_frames", "Received frames that wait to be computed.", {}),
        (
            "link_connected",
            "1 for a link to or from a peer that is open.",
            {"peer": _SHARD, "direction": _listed("in", "out")},
        ),
        ("link_waiting_bytes", "Bytes that wait to be sent to a peer.", {"peer": _SHARD}),
        (
            "connections",
            "Open connections of the listener, by purpose.",
            {"purpose": _listed("link", "enrol", "stream", "handshake")},
        ),
        ("active_shards", "Active shards of this model, as the registry lists them.", {}),
    ),
    **_metrics(
        Kind.COUNTER,
        ("steps", "Steps that the computing thread made, up to the last run that ended.", {}),
        ("rows", "Positions that ended runs passed through this shard's layers, rounded up.", {}),
    ),
    # -- chain ---------------------------------------------------------------------------------
    **_metrics(
        Kind.GAUGE,
        ("head_block", "Number of the newest block seen.", {}),
        ("head_age_seconds", "Time since another block was seen.", {}),
        ("node_up", "1 if the node answered at the last look.", {"node": _NODE}),
        ("node_head_block", "The node's newest block.", {"node": _NODE}),
        ("node_lag_blocks", "Blocks that the node is behind the furthest one.", {"node": _NODE}),
        (
            "node_contradictions",
            "Answers of the node that contradict what enough others say, since the start.",
            {"node": _NODE},
        ),
        ("signer_ether", "The signer's balance.", {}),
        ("signer_ether_warning", "TEETEE_WARN_BELOW_ETHER.", {}),
        ("signer_settlements_left", "Settlements that the balance pays at today's price.", {}),
        ("max_fee_gwei", "TEETEE_MAX_FEE_GWEI.", {}),
        ("offered_fee_gwei", "What the last transaction offered per gas at most.", {}),
        ("transactions_in_flight", "Transactions that may still be included.", {}),
        ("quote_seconds_left", "Time until the attestation of this shard ends.", {}),
        ("collateral_seconds_left", "Time until the collateral behind it expires.", {}),
    ),
    **_metrics(
        Kind.COUNTER,
        ("transactions", "Transactions, by step.", {"function": _FUNCTION, "step": _STEPS}),
        ("gas_used", "Gas of included transactions.", {"function": _FUNCTION}),
        ("fees_ether", "Ether paid for execution, L1 share aside.", {"function": _FUNCTION}),
    ),
    # -- process -------------------------------------------------------------------------------
    **_metrics(
        Kind.GAUGE,
        ("live", "1 while the process works; 0: restart it.", {}),
        ("ready", "1 while it serves.", {}),
        ("draining", "1 from SIGTERM on.", {}),
        ("not_ready", "1 for each reason why it is not ready.", {"reason": _listed(*NOT_READY)}),
        ("task_age_seconds", "Time since a background task last succeeded.", {"task": _TASK}),
    ),
    **_metrics(
        Kind.COUNTER,
        ("task_failures", "Failures of background tasks, which repeat.", {"task": _TASK}),
    ),
}  # fmt: skip

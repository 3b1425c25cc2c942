# SPDX-License-Identifier: Apache-2.0
"""A host, as planning sees it: room, speed, distance. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shard_tools.plan.demand import Part


@dataclass(frozen=True, slots=True)
class Host:
    """At least one of `bandwidth`, `compute` and `seconds_per_layer` is there."""

    name: str
    memory: int
    """Bytes that the enclave's process may have."""
    bandwidth: float | None = None
    """Bytes of weights that it reads in a second."""
    compute: float | None = None
    """Operations in a second."""
    seconds_per_layer: float | None = None
    """For one token, measured; the other two are not looked at then."""
    latency: float | Mapping[str, float] = field(default_factory=dict)
    """Round trip in s, to all others or by their names."""
    may_enter: bool = True

    def seconds(self, part: Part, rows: int = 1) -> float:
        """For one token of each of `rows` runs in one batch, which reads weights once. Nothing is
        gained by batches where only a measured time is known, or no `compute`.
        """
        if self.seconds_per_layer is not None:
            return self.seconds_per_layer * part.share * rows
        shared = 1 if self.compute is not None else rows
        reading = (part.weights * shared + part.cache * rows) / (self.bandwidth or float("inf"))
        return max(reading, part.operations * rows / (self.compute or float("inf")))


def way_seconds(one: Host, other: Host) -> float:
    """From one to the other: half a round trip, the longer one where both tell."""
    told = (_to(one, other.name), _to(other, one.name))
    return 0.0 if one is other else max(told) / 2


def _to(host: Host, name: str) -> float:
    return host.latency.get(name, 0.0) if isinstance(host.latency, Mapping) else host.latency

# SPDX-License-Identifier: Apache-2.0
"""A host as the planner sees it: memory, speed, latency. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shard_tools.plan.demand import Demand


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host offers. At least one of the three speeds is given."""

    name: str
    memory_bytes: int
    """Memory available to the enclave's process."""
    bandwidth: float | None = None
    """Bytes of weights read per second."""
    compute: float | None = None
    """Operations per second."""
    seconds_per_layer: float | None = None
    """Measured, for one token. Overrides the other two."""
    latency: float | Mapping[str, float] = field(default_factory=dict)
    """Round trip in seconds, to all others or by name."""
    can_be_entry: bool = True

    def seconds(self, demand: Demand, rows: int = 1) -> float:
        """The time for one token of each of `rows` runs in one batch.

        A batch reads weights once if `compute` is known. Without it, or with a measured time,
        batching is assumed to gain nothing.
        """
        if self.seconds_per_layer is not None:
            return self.seconds_per_layer * demand.average_layers * rows
        weight_reads = 1 if self.compute is not None else rows
        read_bytes = demand.weight_bytes * weight_reads + demand.cache_bytes * rows
        reading = read_bytes / (self.bandwidth or float("inf"))
        return max(reading, demand.operations * rows / (self.compute or float("inf")))


def one_way_seconds(one: HostSpec, other: HostSpec) -> float:
    """Half a round trip between two hosts; the longer one if both state it."""
    round_trips = (_round_trip(one, other.name), _round_trip(other, one.name))
    return 0.0 if one is other else max(round_trips) / 2


def _round_trip(host: HostSpec, name: str) -> float:
    return host.latency.get(name, 0.0) if isinstance(host.latency, Mapping) else host.latency

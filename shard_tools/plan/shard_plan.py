# SPDX-License-Identifier: Apache-2.0
"""A plan: which host serves which layers, and how fast that is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shard_tools.errors import ModelDoesNotFit
from shard_tools.plan.demand import Demand, ModelDemand
from shard_tools.plan.hosts import HostSpec, one_way_seconds
from shard_tools.plan.search import ChainSearch
from teetee.protocol.layers import LayerRange


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A layer range and the hosts that serve it: the first, and its replicas."""

    layers: LayerRange
    is_entry: bool
    demand: Demand
    process_bytes: int
    hosts: tuple[HostSpec, ...]

    @property
    def seconds(self) -> float:
        """The time per token when all its hosts work."""
        return 1 / sum(1 / host.seconds(self.demand) for host in self.hosts)

    def tokens_per_second(self, rows: int) -> float:
        """The throughput in batches of `rows` runs."""
        return sum(rows / host.seconds(self.demand, rows) for host in self.hosts)


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """Stages in layer order, the entry first. `unused` hosts have too little memory for any."""

    stages: tuple[PlannedStage, ...]
    unused: tuple[HostSpec, ...]

    @property
    def slowest(self) -> PlannedStage:
        """The stage that limits the throughput of many streams."""
        return max(self.stages, key=lambda stage: stage.seconds)

    @property
    def link_seconds(self) -> float:
        """The time on links for one round through the first hosts and back to the entry."""
        ring = [stage.hosts[0] for stage in self.stages]
        successors = [*ring[1:], ring[0]]
        return sum(one_way_seconds(*pair) for pair in zip(ring, successors, strict=True))

    def tokens_per_second(self, streams: int) -> float:
        """The maximum throughput of concurrent requests, spread over one batch per stage.

        Limited by the slowest stage and by a token's round trip.
        """
        rows = -(-streams // len(self.stages))
        computing = sum(stage.hosts[0].seconds(stage.demand, rows) for stage in self.stages)
        round_trip = streams / (computing + self.link_seconds)
        return min(round_trip, *(stage.tokens_per_second(rows) for stage in self.stages))


def plan_shards(
    demand: ModelDemand, hosts: Sequence[HostSpec], max_stages: int | None = None
) -> ShardPlan:
    """The plan whose slowest stage is as fast as possible; hosts not needed become replicas.

    Raises `ModelDoesNotFit`.
    """
    search = ChainSearch(demand, hosts, max_stages or len(hosts))
    reached = search.reach(float("inf"))
    if reached < demand.layer_count:
        raise _does_not_fit(demand, hosts, reached)
    chain = search.find_chain()
    stages = [
        PlannedStage(
            layers=assignment.layers,
            is_entry=index == 0,
            demand=demand.of_range(assignment.layers, is_entry=index == 0),
            process_bytes=demand.process_bytes(assignment.layers, is_entry=index == 0),
            hosts=(assignment.host,),
        )
        for index, assignment in enumerate(chain)
    ]
    used = {assignment.host.name for assignment in chain}
    return _with_replicas(stages, [host for host in hosts if host.name not in used])


def _with_replicas(stages: list[PlannedStage], free: list[HostSpec]) -> ShardPlan:
    """Adds replicas one by one: the fastest host that fits, to the slowest stage that one fits."""
    while True:
        pairs = [
            (stage.seconds, -host.seconds(stage.demand), number, index)
            for number, stage in enumerate(stages)
            for index, host in enumerate(free)
            if stage.process_bytes <= host.memory_bytes
            and (host.can_be_entry or not stage.is_entry)
        ]
        if not pairs:
            return ShardPlan(tuple(stages), tuple(free))
        *_, number, index = max(pairs)
        stages[number] = replace(stages[number], hosts=(*stages[number].hosts, free.pop(index)))


def _does_not_fit(demand: ModelDemand, hosts: Sequence[HostSpec], reached: int) -> ModelDoesNotFit:
    if not reached:
        needed = demand.process_bytes(LayerRange(0, 1), is_entry=True)
        largest = max(host.memory_bytes for host in hosts if host.can_be_entry)
        return ModelDoesNotFit(0, demand.layer_count, needed - largest)
    left = demand.of_range(LayerRange(reached, demand.layer_count), is_entry=False)
    return ModelDoesNotFit(reached, demand.layer_count, left.memory_bytes)

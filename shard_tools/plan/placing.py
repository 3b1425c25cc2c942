# SPDX-License-Identifier: Apache-2.0
"""Which host serves which layers, and how fast that is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shard_runtime.errors import ModelDoesNotFit
from shard_tools.plan.demand import Demand, Part
from shard_tools.plan.hosts import Host, way_seconds
from shard_tools.plan.search import Search
from teetee.protocol.layers import LayerRange


@dataclass(frozen=True, slots=True)
class Stage:
    """A range of layers and who serves it: the first host, and its replicas."""

    layers: LayerRange
    is_entry: bool
    part: Part
    memory_needed: int
    hosts: tuple[Host, ...]

    @property
    def seconds(self) -> float:
        """Between two tokens, when all its hosts are at work."""
        return 1 / sum(1 / host.seconds(self.part) for host in self.hosts)

    def rate(self, rows: int) -> float:
        """Tokens a second, in batches of `rows` runs."""
        return sum(rows / host.seconds(self.part, rows) for host in self.hosts)


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages in the order of their layers, the entry first; `unused` hosts have no room for any."""

    stages: tuple[Stage, ...]
    unused: tuple[Host, ...]

    @property
    def slowest(self) -> Stage:
        """What bounds the speed of many streams."""
        return max(self.stages, key=lambda stage: stage.seconds)

    @property
    def link_seconds(self) -> float:
        """Once round the ring of first hosts."""
        ring = [stage.hosts[0] for stage in self.stages]
        following = [*ring[1:], ring[0]]
        return sum(way_seconds(*pair) for pair in zip(ring, following, strict=True))

    def tokens_per_second(self, streams: int) -> float:
        """At most, with so many requests at the same time, spread over as many batches as there
        are stages: bounded by the slowest stage, and by how long a token is on its way.
        """
        rows = -(-streams // len(self.stages))
        working = sum(stage.hosts[0].seconds(stage.part, rows) for stage in self.stages)
        round_trip = streams / (working + self.link_seconds)
        return min(round_trip, *(stage.rate(rows) for stage in self.stages))


def place(demand: Demand, hosts: Sequence[Host], most_stages: int | None = None) -> Plan:
    """The slowest stage is as fast as it can be; who is not needed for that becomes a replica.

    Raises `ModelDoesNotFit`.
    """
    search = Search(demand, hosts, most_stages or len(hosts))
    reached = search.reach(float("inf"))
    if reached < demand.layer_count:
        raise _does_not_fit(demand, hosts, reached)
    chain = search.chain()
    stages = []
    for number, link in enumerate(chain):
        is_entry = number == 0
        stages.append(
            Stage(
                layers=link.layers,
                is_entry=is_entry,
                part=demand.of(link.layers, is_entry=is_entry),
                memory_needed=demand.memory(link.layers, is_entry=is_entry),
                hosts=(link.host,),
            )
        )
    used = {link.host.name for link in chain}
    return _with_replicas(stages, [host for host in hosts if host.name not in used])


def _with_replicas(stages: list[Stage], free: list[Host]) -> Plan:
    """One after the other, to the slowest range that one of them has room for: its fastest."""
    while True:
        pairs = [
            (stage.seconds, -host.seconds(stage.part), number, place)
            for number, stage in enumerate(stages)
            for place, host in enumerate(free)
            if stage.memory_needed <= host.memory and (host.may_enter or not stage.is_entry)
        ]
        if not pairs:
            return Plan(tuple(stages), tuple(free))
        *_, number, place = max(pairs)
        stages[number] = replace(stages[number], hosts=(*stages[number].hosts, free.pop(place)))


def _does_not_fit(demand: Demand, hosts: Sequence[Host], reached: int) -> ModelDoesNotFit:
    if not reached:
        needed = demand.memory(LayerRange(0, 1), is_entry=True)
        largest = max(host.memory for host in hosts if host.may_enter)
        return ModelDoesNotFit(0, demand.layer_count, needed - largest)
    left = demand.of(LayerRange(reached, demand.layer_count), is_entry=False)
    return ModelDoesNotFit(reached, demand.layer_count, left.memory)

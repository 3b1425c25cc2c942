# SPDX-License-Identifier: Apache-2.0
"""Planning which host serves which layers.

given hosts with enough memory for a model
    it should tile the layers, the entry first, within each host's memory
    its slowest stage should be as fast as exhaustive search can make it
    when hosts are not needed for that
        it should make them replicas of the slowest ranges that fit them
given hosts with too little memory
    it should say how much is missing
given more hosts than exhaustive search allows
    it should still tile and fit, in little time
"""

import time
from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shard_tools.errors import ModelDoesNotFit
from shard_tools.plan.demand import NO_DEMAND, PROCESS_BYTES, Demand, ModelDemand
from shard_tools.plan.hosts import HostSpec, one_way_seconds
from shard_tools.plan.shard_plan import PlannedStage, ShardPlan, plan_shards
from teetee.protocol.layers import LayerRange

GIB = 1 << 30


def layer(weights: int, memory: int | None = None) -> Demand:
    memory = weights if memory is None else memory
    return Demand(memory, weights, weights // 10, 2 * weights, weights / 100)


def demand(layers: int = 8, weights: int = 100, entry: int = 300) -> ModelDemand:
    return ModelDemand((layer(weights),) * layers, layer(entry))


def host(name: str, speed: float = 1000.0, memory: int = 10_000, **others: Any) -> HostSpec:
    return HostSpec(name, PROCESS_BYTES + memory, bandwidth=speed, **others)


def shown(plan: ShardPlan) -> list[tuple[str, int, int]]:
    return [
        ("+".join(host.name for host in stage.hosts), stage.layers.first, stage.layers.end)
        for stage in plan.stages
    ]


def test_plan_shards__hosts_alike__gives_the_entry_fewer_layers() -> None:
    plan = plan_shards(demand(9), [host("a"), host("b")])
    assert shown(plan) == [("a", 0, 3), ("b", 3, 9)]
    assert [stage.seconds for stage in plan.stages] == pytest.approx([0.66, 0.66])


def test_plan_shards__faster_host__gets_more_layers() -> None:
    plan = plan_shards(demand(8, entry=0), [host("slow", 1000.0), host("fast", 3000.0)])
    assert sorted((name, end - first) for name, first, end in shown(plan)) == [
        ("fast", 6),
        ("slow", 2),
    ]


def test_plan_shards__single_possible_entry__comes_first() -> None:
    hosts = [host("a", 9000.0, can_be_entry=False), host("b", can_be_entry=True)]
    assert shown(plan_shards(demand(), hosts))[0][0] == "b"


def test_plan_shards__little_memory__limits_the_range() -> None:
    plan = plan_shards(
        demand(8), [host("small", 9000.0, memory=150, can_be_entry=False), host("large")]
    )
    assert shown(plan) == [("large", 0, 7), ("small", 7, 8)]


def test_plan_shards__keys_and_values__count_as_memory() -> None:
    asked = ModelDemand((layer(100, memory=400),) * 4, layer(0))
    with pytest.raises(ModelDoesNotFit) as caught:
        plan_shards(asked, [host("a", memory=900), host("b", memory=399)])
    assert (caught.value.placed, caught.value.layers, caught.value.missing) == (2, 4, 800)


def test_plan_shards__no_entry_fits__says_how_much_memory_is_missing() -> None:
    hosts = [host("a", memory=350), host("b", memory=5000, can_be_entry=False)]
    with pytest.raises(ModelDoesNotFit, match="no host that may be an entry") as caught:
        plan_shards(demand(), hosts)
    assert (caught.value.placed, caught.value.missing) == (0, 50)


def test_plan_shards__latencies_differ__takes_the_shortest_round() -> None:
    far: dict[str, float] = {"a": 0.0, "b": 0.2, "c": 0.01}
    hosts = [
        host("a", latency={"b": 0.01, "c": 0.01}),
        host("b", latency={"c": 0.3}, can_be_entry=False),
        host("c", can_be_entry=False),
        host("d", latency=far, can_be_entry=False),
    ]
    plan = plan_shards(demand(8, entry=0), hosts)
    rings = [
        sum(one_way_seconds(*pair) for pair in zip(ring, (*ring[1:], ring[0]), strict=True))
        for others in permutations(hosts[1:])
        for ring in [(hosts[0], *others)]
    ]
    assert plan.link_seconds == pytest.approx(min(rings))


def test_plan_shards__more_hosts_than_layers__adds_replicas_to_the_slowest() -> None:
    hosts = [host("a"), host("b"), host("c"), host("d")]
    plan = plan_shards(demand(2, entry=0), hosts)
    assert [len(stage.hosts) for stage in plan.stages] == [2, 2]
    assert plan.slowest.seconds == pytest.approx(0.11 / 2)
    assert plan.unused == ()


def test_plan_shards__limited_stages__makes_other_hosts_replicas_or_unused() -> None:
    hosts = [host("a"), host("b"), host("c"), host("tiny", memory=50)]
    plan = plan_shards(demand(8), hosts, max_stages=1)
    assert [sorted(each.name for each in stage.hosts) for stage in plan.stages] == [["a", "b", "c"]]
    assert [each.name for each in plan.unused] == ["tiny"]


def test_plan_shards__many_hosts__finishes_quickly() -> None:
    began = time.monotonic()
    hosts = [host(f"h{number}", 1000.0 + number) for number in range(8)]
    for layers in (80, 3):
        check_valid(plan_shards(demand(layers), hosts), demand(layers), hosts)
    hosts = [host(f"h{number}", 1000.0 + 100 * number, memory=1500) for number in range(40)]
    plan = plan_shards(demand(126), hosts)
    check_valid(plan, demand(126), hosts)
    even = (126 * 110 + 330) / sum(each.bandwidth or 0 for each in hosts)
    assert plan.slowest.seconds < 2 * even
    assert time.monotonic() - began < 30


def test_tokens_per_second__streams__raise_throughput_up_to_the_slowest_stage() -> None:
    plan = plan_shards(demand(9), [host("a", latency=0.1), host("b")])
    one = sum(stage.seconds for stage in plan.stages) + 0.1
    assert plan.tokens_per_second(1) == pytest.approx(1 / one)
    assert plan.tokens_per_second(2) == pytest.approx(2 / one)
    assert plan.tokens_per_second(16) == pytest.approx(1 / plan.slowest.seconds, rel=0.1)


def test_seconds__batch__reads_weights_once_if_compute_is_known() -> None:
    asked = Demand(0, 1000, 100, 2000, 1.0)
    assert host("a").seconds(asked, 4) == pytest.approx(4 * host("a").seconds(asked))
    quick = host("b", compute=1e9)
    assert quick.seconds(asked, 4) == pytest.approx((1000 + 400) / 1000)
    assert host("c", compute=1000.0).seconds(asked, 4) == pytest.approx(8.0)
    assert host("d", seconds_per_layer=0.5).seconds(asked, 4) == pytest.approx(2.0)


layer_demands = st.integers(1, 5).map(lambda size: layer(100 * size))
demands = st.builds(
    ModelDemand,
    st.lists(layer_demands, min_size=1, max_size=6).map(tuple),
    st.integers(0, 5).map(lambda size: layer(100 * size)),
)


@st.composite
def host_lists(draw: st.DrawFn, max_hosts: int = 4) -> list[HostSpec]:
    count = draw(st.integers(1, max_hosts))
    hosts = [
        host(
            f"h{number}",
            draw(st.sampled_from([500.0, 1000.0, 1700.0])),
            memory=draw(st.sampled_from([150, 400, 900, 5000])),
            latency=draw(st.sampled_from([0.0, 0.01, 0.5])),
            can_be_entry=draw(st.booleans()),
        )
        for number in range(count)
    ]
    return (
        hosts
        if any(each.can_be_entry for each in hosts)
        else [replace(hosts[0], can_be_entry=True)]
    )


def check_valid(plan: ShardPlan, asked: ModelDemand, hosts: list[HostSpec]) -> None:
    assert [stage.layers.first for stage in plan.stages] == [
        0,
        *(stage.layers.end for stage in plan.stages[:-1]),
    ]
    assert plan.stages[-1].layers.end == asked.layer_count
    named = [each.name for stage in plan.stages for each in stage.hosts]
    assert sorted([*named, *(each.name for each in plan.unused)]) == sorted(
        each.name for each in hosts
    )
    for number, stage in enumerate(plan.stages):
        assert stage.is_entry == (number == 0)
        assert stage.demand == asked.of_range(stage.layers, is_entry=stage.is_entry)
        for each in stage.hosts:
            assert PROCESS_BYTES + stage.demand.memory_bytes <= each.memory_bytes
            assert each.can_be_entry or not stage.is_entry


def slowest_by_exhaustion(
    asked: ModelDemand, hosts: list[HostSpec], max_stages: int
) -> float | None:
    """The slowest stage's time in the best of all orders, subsets and cuts."""
    best = None
    count = asked.layer_count
    for size in range(1, min(len(hosts), max_stages, count) + 1):
        for order in permutations(hosts, size):
            for cuts in combinations(range(1, count), size - 1):
                bounds = [0, *cuts, count]
                stages = [
                    (
                        each,
                        asked.of_range(LayerRange(*bounds[index : index + 2]), is_entry=index == 0),
                    )
                    for index, each in enumerate(order)
                ]
                fit = all(
                    PROCESS_BYTES + each.memory_bytes <= host.memory_bytes for host, each in stages
                )
                if order[0].can_be_entry and fit:
                    slowest = max(host.seconds(each) for host, each in stages)
                    best = slowest if best is None else min(best, slowest)
    return best


@settings(max_examples=150, deadline=None)
@given(asked=demands, hosts=host_lists(), max_stages=st.integers(1, 4))
def test_plan_shards__any_hosts__tile_fit_and_are_as_fast_as_possible(
    asked: ModelDemand, hosts: list[HostSpec], max_stages: int
) -> None:
    best = slowest_by_exhaustion(asked, hosts, max_stages)
    if best is None:
        with pytest.raises(ModelDoesNotFit):
            plan_shards(asked, hosts, max_stages)
        return
    plan = plan_shards(asked, hosts, max_stages)
    check_valid(plan, asked, hosts)
    assert len(plan.stages) <= max_stages
    assert max(stage.hosts[0].seconds(stage.demand) for stage in plan.stages) == best


@settings(max_examples=100, deadline=None)
@given(asked=demands, hosts=host_lists(6), max_stages=st.integers(1, 2))
def test_plan_shards__spare_hosts__relieve_the_slowest_stage_that_they_fit(
    asked: ModelDemand, hosts: list[HostSpec], max_stages: int
) -> None:
    try:
        plan = plan_shards(asked, hosts, max_stages)
    except ModelDoesNotFit:
        return
    bare = ShardPlan(tuple(replace(stage, hosts=stage.hosts[:1]) for stage in plan.stages), ())
    left = [each for stage in plan.stages for each in stage.hosts[1:]] + list(plan.unused)
    able = [each for each in left if fits(bare.slowest, each)]
    relieved = plan.stages[bare.stages.index(bare.slowest)]
    assert (len(relieved.hosts) > 1) == bool(able)
    assert plan.slowest.seconds <= bare.slowest.seconds
    assert plan.tokens_per_second(64) >= bare.tokens_per_second(64)
    assert not any(fits(stage, each) for stage in plan.stages for each in plan.unused)


def fits(stage: PlannedStage, host: HostSpec) -> bool:
    return stage.process_bytes <= host.memory_bytes and (host.can_be_entry or not stage.is_entry)


@given(asked=demands)
def test_demand__any_range__is_the_sum_of_its_layers(asked: ModelDemand) -> None:
    count = asked.layer_count
    whole = asked.of_range(LayerRange(0, count), is_entry=True)
    layers = [asked.of_range(LayerRange(each, each + 1), is_entry=False) for each in range(count)]
    added = sum(layers, start=NO_DEMAND) + asked.entry
    assert (whole.memory_bytes, whole.weight_bytes, whole.operations) == (
        added.memory_bytes,
        added.weight_bytes,
        added.operations,
    )
    assert whole.average_layers == pytest.approx(added.average_layers)

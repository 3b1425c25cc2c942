# SPDX-License-Identifier: Apache-2.0
"""Which host serves which layers.

given hosts that have room for a model
    it should tile the layers, the entry first, within everyone's memory
    its slowest stage should be as fast as trying everything could make it
    when hosts are not needed for that
        it should make them replicas of the slowest ranges that they have room for
given hosts that have not
    it should say how much is missing
given more hosts than can all be tried
    it should still tile and fit, soon
"""

import time
from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shard_runtime.errors import ModelDoesNotFit
from shard_tools.plan.demand import NOTHING, PROCESS_BYTES, Demand, Part
from shard_tools.plan.hosts import Host, way_seconds
from shard_tools.plan.placing import Plan, Stage, place
from teetee.protocol.layers import LayerRange

GIB = 1 << 30


def part(weights: int, memory: int | None = None) -> Part:
    memory = weights if memory is None else memory
    return Part(memory, weights, weights // 10, 2 * weights, weights / 100)


def demand(layers: int = 8, weights: int = 100, entry: int = 300) -> Demand:
    return Demand((part(weights),) * layers, part(entry))


def host(name: str, speed: float = 1000.0, room: int = 10_000, **others: Any) -> Host:
    return Host(name, PROCESS_BYTES + room, bandwidth=speed, **others)


def shown(plan: Plan) -> list[tuple[str, int, int]]:
    return [
        ("+".join(host.name for host in stage.hosts), stage.layers.first, stage.layers.end)
        for stage in plan.stages
    ]


def test_place__hosts_alike__levels_time_with_what_the_entry_adds() -> None:
    plan = place(demand(9), [host("a"), host("b")])
    assert shown(plan) == [("a", 0, 3), ("b", 3, 9)]
    assert [stage.seconds for stage in plan.stages] == pytest.approx([0.66, 0.66])


def test_place__one_is_faster__gets_more() -> None:
    plan = place(demand(8, entry=0), [host("slow", 1000.0), host("fast", 3000.0)])
    assert sorted((name, end - first) for name, first, end in shown(plan)) == [
        ("fast", 6),
        ("slow", 2),
    ]


def test_place__only_one_may_enter__begins_with_it() -> None:
    hosts = [host("a", 9000.0, may_enter=False), host("b", may_enter=True)]
    assert shown(place(demand(), hosts))[0][0] == "b"


def test_place__little_memory__takes_what_fits() -> None:
    plan = place(demand(8), [host("small", 9000.0, room=150, may_enter=False), host("large")])
    assert shown(plan) == [("large", 0, 7), ("small", 7, 8)]


def test_place__keys_and_values_need_room__counts_them() -> None:
    held = Demand((part(100, memory=400),) * 4, part(0))
    with pytest.raises(ModelDoesNotFit) as caught:
        place(held, [host("a", room=900), host("b", room=399)])
    assert (caught.value.placed, caught.value.layers, caught.value.missing) == (2, 4, 800)


def test_place__no_entry_has_room__says_how_much_an_entry_lacks() -> None:
    hosts = [host("a", room=350), host("b", room=5000, may_enter=False)]
    with pytest.raises(ModelDoesNotFit, match="no host that may be an entry") as caught:
        place(demand(), hosts)
    assert (caught.value.placed, caught.value.missing) == (0, 50)


def test_place__ways_differ__goes_round_the_shortest() -> None:
    far: dict[str, float] = {"a": 0.0, "b": 0.2, "c": 0.01}
    hosts = [
        host("a", latency={"b": 0.01, "c": 0.01}),
        host("b", latency={"c": 0.3}, may_enter=False),
        host("c", may_enter=False),
        host("d", latency=far, may_enter=False),
    ]
    plan = place(demand(8, entry=0), hosts)
    rings = [
        sum(way_seconds(*pair) for pair in zip(ring, (*ring[1:], ring[0]), strict=True))
        for rest in permutations(hosts[1:])
        for ring in [(hosts[0], *rest)]
    ]
    assert plan.link_seconds == pytest.approx(min(rings))


def test_place__more_hosts_than_layers__makes_replicas_of_the_slowest() -> None:
    hosts = [host("a"), host("b"), host("c"), host("d")]
    plan = place(demand(2, entry=0), hosts)
    assert [len(stage.hosts) for stage in plan.stages] == [2, 2]
    assert plan.slowest.seconds == pytest.approx(0.11 / 2)
    assert plan.unused == ()


def test_place__stages_are_limited__the_rest_are_replicas_or_unused() -> None:
    hosts = [host("a"), host("b"), host("c"), host("tiny", room=50)]
    plan = place(demand(8), hosts, most_stages=1)
    assert [sorted(each.name for each in stage.hosts) for stage in plan.stages] == [["a", "b", "c"]]
    assert [each.name for each in plan.unused] == ["tiny"]


def test_place__many_hosts__is_soon_done() -> None:
    began = time.monotonic()
    hosts = [host(f"h{number}", 1000.0 + number) for number in range(8)]
    for layers in (80, 3):
        check_valid(place(demand(layers), hosts), demand(layers), hosts)
    hosts = [host(f"h{number}", 1000.0 + 100 * number, room=1500) for number in range(40)]
    plan = place(demand(126), hosts)
    check_valid(plan, demand(126), hosts)
    even = (126 * 110 + 330) / sum(each.bandwidth or 0 for each in hosts)
    assert plan.slowest.seconds < 2 * even
    assert time.monotonic() - began < 30


def test_tokens_per_second__streams__fill_the_stages_up_to_the_slowest() -> None:
    plan = place(demand(9), [host("a", latency=0.1), host("b")])
    one = sum(stage.seconds for stage in plan.stages) + 0.1
    assert plan.tokens_per_second(1) == pytest.approx(1 / one)
    assert plan.tokens_per_second(2) == pytest.approx(2 / one)
    assert plan.tokens_per_second(16) == pytest.approx(1 / plan.slowest.seconds, rel=0.1)


def test_seconds__a_batch__reads_weights_once_where_compute_is_known() -> None:
    asked = Part(0, 1000, 100, 2000, 1.0)
    assert host("a").seconds(asked, 4) == pytest.approx(4 * host("a").seconds(asked))
    quick = host("b", compute=1e9)
    assert quick.seconds(asked, 4) == pytest.approx((1000 + 400) / 1000)
    assert host("c", compute=1000.0).seconds(asked, 4) == pytest.approx(8.0)
    assert host("d", seconds_per_layer=0.5).seconds(asked, 4) == pytest.approx(2.0)


parts = st.integers(1, 5).map(lambda size: part(100 * size))
demands = st.builds(
    Demand,
    st.lists(parts, min_size=1, max_size=6).map(tuple),
    st.integers(0, 5).map(lambda size: part(100 * size)),
)


@st.composite
def benches(draw: st.DrawFn, most: int = 4) -> list[Host]:
    count = draw(st.integers(1, most))
    hosts = [
        host(
            f"h{number}",
            draw(st.sampled_from([500.0, 1000.0, 1700.0])),
            room=draw(st.sampled_from([150, 400, 900, 5000])),
            latency=draw(st.sampled_from([0.0, 0.01, 0.5])),
            may_enter=draw(st.booleans()),
        )
        for number in range(count)
    ]
    return hosts if any(each.may_enter for each in hosts) else [replace(hosts[0], may_enter=True)]


def check_valid(plan: Plan, asked: Demand, hosts: list[Host]) -> None:
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
        assert stage.part == asked.of(stage.layers, is_entry=stage.is_entry)
        for each in stage.hosts:
            assert PROCESS_BYTES + stage.part.memory <= each.memory
            assert each.may_enter or not stage.is_entry


def slowest_by_trying(asked: Demand, hosts: list[Host], most: int) -> float | None:
    """All orders of all subsets, all cuts."""
    best = None
    count = asked.layer_count
    for size in range(1, min(len(hosts), most, count) + 1):
        for order in permutations(hosts, size):
            for cuts in combinations(range(1, count), size - 1):
                bounds = [0, *cuts, count]
                stages = [
                    (each, asked.of(LayerRange(*bounds[place : place + 2]), is_entry=place == 0))
                    for place, each in enumerate(order)
                ]
                fit = all(PROCESS_BYTES + each.memory <= who.memory for who, each in stages)
                if order[0].may_enter and fit:
                    slowest = max(who.seconds(each) for who, each in stages)
                    best = slowest if best is None else min(best, slowest)
    return best


@settings(max_examples=150, deadline=None)
@given(asked=demands, hosts=benches(), most=st.integers(1, 4))
def test_place__any__tiles_fits_and_is_the_fastest_of_all(
    asked: Demand, hosts: list[Host], most: int
) -> None:
    best = slowest_by_trying(asked, hosts, most)
    if best is None:
        with pytest.raises(ModelDoesNotFit):
            place(asked, hosts, most)
        return
    plan = place(asked, hosts, most)
    check_valid(plan, asked, hosts)
    assert len(plan.stages) <= most
    assert max(stage.hosts[0].seconds(stage.part) for stage in plan.stages) == best


@settings(max_examples=100, deadline=None)
@given(asked=demands, hosts=benches(6), most=st.integers(1, 2))
def test_place__hosts_are_left__relieve_the_slowest_where_they_have_room(
    asked: Demand, hosts: list[Host], most: int
) -> None:
    try:
        plan = place(asked, hosts, most)
    except ModelDoesNotFit:
        return
    bare = Plan(tuple(replace(stage, hosts=stage.hosts[:1]) for stage in plan.stages), ())
    left = [each for stage in plan.stages for each in stage.hosts[1:]] + list(plan.unused)
    able = [each for each in left if has_room(bare.slowest, each)]
    relieved = plan.stages[bare.stages.index(bare.slowest)]
    assert (len(relieved.hosts) > 1) == bool(able)
    assert plan.slowest.seconds <= bare.slowest.seconds
    assert plan.tokens_per_second(64) >= bare.tokens_per_second(64)
    assert not any(has_room(stage, each) for stage in plan.stages for each in plan.unused)


def has_room(stage: Stage, host: Host) -> bool:
    return stage.memory_needed <= host.memory and (host.may_enter or not stage.is_entry)


@given(asked=demands)
def test_demand__any_range__is_the_sum_of_its_parts(asked: Demand) -> None:
    count = asked.layer_count
    whole = asked.of(LayerRange(0, count), is_entry=True)
    parts = [asked.of(LayerRange(each, each + 1), is_entry=False) for each in range(count)]
    added = sum(parts, start=NOTHING) + asked.entry
    assert (whole.memory, whole.weights, whole.operations) == (
        added.memory,
        added.weights,
        added.operations,
    )
    assert whole.share == pytest.approx(added.share)

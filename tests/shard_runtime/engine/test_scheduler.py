# SPDX-License-Identifier: Apache-2.0
"""Which rows a step computes. The numbers are those of the scheduler's docstring.

given runs that wait for one row or for many, that come back, go on and end, in any order
    1. a step has at most `rows` rows, at most `chunk` of them of prompts
    2. a step is not empty while tokens wait, or a prompt whose lane has room
    3. tokens and prompts are both in every step in which both wait and fit
    4. in each queue no run is served twice while another waits whose lane has room
    every row that waited is given out, once
given eight runs that take turns over two stages
    each step should have four of them
"""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shard_runtime.engine.scheduler import Scheduler, Share
from shard_runtime.links.frames import RunId


def run(number: int) -> RunId:
    return RunId(number.to_bytes(16))


def test_next__eight_take_turns_over_two_stages__goes_in_two_groups_of_four() -> None:
    scheduler = Scheduler(rows=16, chunk=8)
    for number in range(8):
        scheduler.add(run(number), 1)
    first, second = scheduler.next(2), scheduler.next(2)
    assert [share.run for share in first + second] == [run(number) for number in range(8)]
    assert [len(first), len(second)] == [4, 4]
    for share in first:  # they return, and no other run waits
        scheduler.add(share.run, 1)
    assert len(scheduler.next(2)) == 4


def test_next__one_takes_turns__is_not_held_back_for_others() -> None:
    scheduler = Scheduler(rows=16, chunk=8)
    scheduler.add(run(1), 1)
    assert scheduler.next(5) == [Share(run(1), 1)]


def test_next__long_prompt_beside_tokens__gives_each_step_to_both() -> None:
    scheduler = Scheduler(rows=16, chunk=8)
    scheduler.add(run(1), 20)
    for step in range(3):
        scheduler.add(run(2), 1)
        prompt = Share(run(1), 8 if step < 2 else 4)
        assert scheduler.next(1) == [Share(run(2), 1), prompt]


def test_next__two_long_prompts__take_turns_by_chunks() -> None:
    scheduler = Scheduler(rows=16, chunk=8)
    scheduler.add(run(1), 16)
    scheduler.add(run(2), 12)
    steps = [scheduler.next(1) for _ in range(4)]
    assert steps == [
        [Share(run(1), 8)],
        [Share(run(2), 8)],
        [Share(run(1), 8)],
        [Share(run(2), 4)],
    ]


def test_next__short_prompts__share_a_chunk() -> None:
    scheduler = Scheduler(rows=16, chunk=8)
    for number, rows in enumerate([3, 4, 6]):
        scheduler.add(run(number), rows)
    assert scheduler.next(1) == [Share(run(0), 3), Share(run(1), 4), Share(run(2), 1)]
    assert scheduler.next(1) == [Share(run(2), 5)]


@pytest.mark.parametrize("how", ["it comes back", "its run ends"])
def test_next__ring_full_of_prompts__waits_until_there_is_room(how: str) -> None:
    scheduler = Scheduler(rows=16, chunk=8)
    scheduler.add(run(1), 16)
    scheduler.add(run(2), 8)
    assert [scheduler.next(1, 16), scheduler.next(1, 16)] == [
        [Share(run(1), 8)],
        [Share(run(2), 8)],
    ]
    assert not scheduler.has_work(16)
    assert scheduler.next(1, 16) == []
    if how == "it comes back":
        scheduler.on_returned(run(1), 8)
    else:
        scheduler.drop(run(2))
    assert scheduler.has_work(16)
    assert scheduler.next(1, 16) == [Share(run(1), 8)]


def test_add__prompt_cut_into_single_rows_by_a_peer__is_given_out_whole() -> None:
    scheduler = Scheduler(rows=16, chunk=8)
    for _ in range(3):
        scheduler.add(run(1), 1)
    assert scheduler.next(1) == [Share(run(1), 3)]
    assert scheduler.waiting == 0


def test_next__one_row_of_a_prompt_is_left__counts_in_its_lane_like_the_others() -> None:
    scheduler = Scheduler(rows=16, chunk=8)
    scheduler.add(run(1), 9, lane="path")
    assert scheduler.next(1, 16) == [Share(run(1), 8)]
    assert scheduler.next(1, 16) == [Share(run(1), 1)]
    scheduler.add(run(2), 8, lane="path")
    assert not scheduler.has_work(16)  # 9 of 16 positions are in flight: no room for a chunk
    scheduler.on_returned(run(1), 1)
    assert scheduler.has_work(16)


def test_next__one_lane_does_not_move__serves_the_other() -> None:
    scheduler = Scheduler(rows=16, chunk=8)
    scheduler.add(run(1), 100, lane="stuck")
    scheduler.add(run(2), 100, lane="moving")
    for _ in range(6):
        for share in scheduler.next(1, 16):
            if share.run == run(2):
                scheduler.on_returned(share.run, share.rows)
    assert scheduler.waiting == (100 - 16) + (100 - 4 * 8)


@given(
    waits=st.lists(st.integers(1, 40), max_size=30),
    chunk=st.integers(1, 20),
    spare=st.integers(1, 20),
    micro_batches=st.integers(1, 6),
)
def test_next__until_all_is_given_out__gives_each_row_once(
    waits: list[int], chunk: int, spare: int, micro_batches: int
) -> None:
    scheduler = Scheduler(rows=chunk + spare, chunk=chunk)
    for number, rows in enumerate(waits):
        scheduler.add(run(number), rows)
    given_out: Counter[RunId] = Counter()
    while scheduler.has_work():
        for share in scheduler.next(micro_batches):
            given_out[share.run] += share.rows
    assert given_out == {run(number): rows for number, rows in enumerate(waits)}
    assert scheduler.waiting == 0


class AnyTraffic(RuleBasedStateMachine):
    """A model of who waits, beside the scheduler."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[RunId] = []
        self.prompts: dict[RunId, int] = {}
        self.in_the_ring: Counter[RunId] = Counter()
        self.number = 0
        self.served_while_waiting: dict[RunId, Counter[RunId]] = {}
        self.lanes: dict[RunId, int] = {}

    @initialize(chunk=st.integers(1, 8), spare=st.integers(1, 8), stages=st.integers(1, 4))
    def make(self, chunk: int, spare: int, stages: int) -> None:
        self.chunk, self.rows, self.stages = chunk, chunk + spare, stages
        self.scheduler = Scheduler(rows=self.rows, chunk=chunk)
        self.window = 2 * stages * chunk

    @rule(rows=st.integers(2, 30), lane=st.integers(0, 1))
    def prompt_comes(self, rows: int, lane: int) -> None:
        self.number += 1
        self.prompts[run(self.number)] = rows
        self.lanes[run(self.number)] = lane
        self._wait(run(self.number), rows)

    @rule()
    def token_comes(self) -> None:
        self.number += 1
        self.tokens.append(run(self.number))
        self._wait(run(self.number), 1)

    @rule(data=st.data())
    def run_ends(self, data: st.DataObject) -> None:
        known = sorted({*self.tokens, *self.prompts, *self.in_the_ring})
        if known:
            ended = data.draw(st.sampled_from(known))
            self.scheduler.drop(ended)
            self._forget(ended)

    @rule(data=st.data())
    def rows_come_back(self, data: st.DataObject) -> None:
        away = sorted(run for run, rows in self.in_the_ring.items() if rows)
        if away:
            back = data.draw(st.sampled_from(away))
            rows = data.draw(st.integers(1, self.in_the_ring[back]))
            self.scheduler.on_returned(back, rows)
            self.in_the_ring[back] -= rows

    @precondition(lambda self: hasattr(self, "scheduler"))
    @rule()
    def step(self) -> None:
        room = any(self._has_room(each) for each in self.prompts)
        both = bool(self.tokens) and room
        shares = self.scheduler.next(self.stages, self.window)
        tokens = [share for share in shares if share.run in self.tokens]
        prompts = [share for share in shares if share.run in self.prompts]
        assert len({share.run for share in shares}) == len(shares)
        assert sum(share.rows for share in shares) <= self.rows  # 1
        assert sum(share.rows for share in prompts) <= self.chunk  # 1
        assert bool(shares) == (bool(self.tokens) or room)  # 2
        assert not both or (tokens and prompts)  # 3
        for share in shares:
            self._serve(share)

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "scheduler"):
            assert self.scheduler.waiting == len(self.tokens) + sum(self.prompts.values())
            assert max(self._in_lane(0), self._in_lane(1)) <= self.window

    def _wait(self, run_id: RunId, rows: int) -> None:
        self.scheduler.add(run_id, rows, self.lanes.get(run_id, 0))
        self.served_while_waiting[run_id] = Counter()

    def _serve(self, share: Share) -> None:
        in_tokens = share.run in self.tokens
        line = self.tokens if in_tokens else list(self.prompts)
        for other in line:
            if other != share.run and (in_tokens or self._has_room(other)):
                self.served_while_waiting[other][share.run] += 1
                assert self.served_while_waiting[other][share.run] <= 1  # 4
        self.served_while_waiting[share.run] = Counter()
        if in_tokens:
            assert share.rows == 1
            self._forget(share.run)
            return
        self.in_the_ring[share.run] += share.rows
        self.prompts[share.run] -= share.rows
        if not self.prompts[share.run]:
            del self.prompts[share.run]

    def _in_lane(self, lane: int) -> int:
        return sum(rows for run, rows in self.in_the_ring.items() if self.lanes.get(run, 0) == lane)

    def _has_room(self, run_id: RunId) -> bool:
        return self._in_lane(self.lanes[run_id]) + self.chunk <= self.window

    def _forget(self, run_id: RunId) -> None:
        if run_id in self.tokens:
            self.tokens.remove(run_id)
        self.prompts.pop(run_id, None)
        self.in_the_ring.pop(run_id, None)


TestAnyTraffic = AnyTraffic.TestCase

# SPDX-License-Identifier: Apache-2.0
"""A stage goes while a hundred requests are at the same token, and each goes on with its own text.

A seed stands for one request: its prompt, how its tokens are drawn, and how many they are. All
seeds of a case are asked at once of one ring. Each waits on the wire to the victim when it is at
the case's moment, a place in its prompt or one of 64 tokens; when all are there, the stage is
struck. Of prompts only so many positions may be on their way: when the wire is full of those that
are there, the others, which are struck too, stand in their prompts before that place. Seeds whose
answer ends before 64 tokens by itself go along, and are struck wherever they are. What must come
out was asked before, one seed after the other, of a model that is not split.

The stage is any but the entry, which has no replica: a request whose entry goes is taken up again
from the oracle's journal. All computing is the native step's, in int8: to the bit the same in any
batch.

given requests with other prompts, other ways to draw, and other lengths, all at the same moment
    when a stage is killed, frozen, evicted or cut off
        it should give each the text, tokens and whole receipts that it has alone
        it should say each piece of text once
        it should leave no cache anywhere that lives
        it should have opened all on a new path within two seconds, on a quiet machine; what comes
        then is replay
    when no replica is left
        it should end each at its deadline, having said nothing else than what it says alone
        it should leave no cache anywhere that lives
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from shard_runtime import Backend, Generation, ModelSource
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.errors import DeadlinePassed
from tests.shard_runtime.engine.test_failover import assert_same, shards_with_cache
from tests.shard_runtime.engine.test_run_life import eventually
from tests.shard_runtime.failing import STRIKES, recovering
from tests.shard_runtime.gathering import Gathering
from tests.shard_runtime.rings import QUICK_ENTRY, QUICK_STAGE, Ring, running
from tests.shard_runtime.seeds import TOKENS, Alone, Asked

STAGES = 3
SEEDS = 100
LONG = 120.0
RESUMED_WITHIN = 2.0
# Heartbeats as in production; as many requests as a case has.
ENTRY = replace(QUICK_ENTRY, heartbeats=HeartbeatSettings())
STAGE = replace(QUICK_STAGE, max_runs=256, entry_silent_seconds=2.0)
FULL_WIRE = (2 * STAGES - 1) * ENTRY.chunk
"""More rows of prompts than that on their way leave no room for another chunk."""

Moment = str | int
"""A place in the prompt, or which token comes out next, counted from 0."""
PLACES: dict[Moment, Callable[[int], int]] = {
    "first of the prompt": lambda _: 0,
    "amid the prompt": lambda length: length // 2,
    "last of the prompt": lambda length: length - 1,  # token 0 comes out of it
}
MOMENTS: list[Moment] = [*PLACES, *range(1, TOKENS)]
VICTIMS = range(2, STAGES + 1)
LOST = ["killed", "frozen"]
OFF = ["evicted", "cut off"]
EVERYTHING = [
    *((strike, victim, moment) for strike in LOST for victim in VICTIMS for moment in MOMENTS),
    *((strike, victim, moment) for strike in OFF for victim in VICTIMS for moment in MOMENTS[::6]),
]
SAMPLE = [
    (strike, draw.choice(VICTIMS), draw.choice(moments))
    for draw in [random.Random(20261124)]
    for strike in LOST + OFF
    for moments in ([*PLACES], range(1, TOKENS))
]
WITHOUT_REPLICA = [
    (strike, victim, moment)
    for strike in LOST + OFF
    for victim in VICTIMS
    for moment in (*PLACES, 1, 20, 63)
]


@pytest.fixture(scope="module")
def alone(spoken: ModelSource) -> Iterator[Alone]:
    with running(spoken, 1, backend=Backend.NATIVE, dtype="int8") as ring:
        yield Alone(ring)


def survive(
    source: ModelSource, alone: Alone, strike: str, victim: int, moment: Moment, seeds: int
) -> Gathering:
    everyone = alone.first(seeds)
    fault = gathering(alone, everyone, strike, victim, moment)
    with ring_of(source, fault, copies=2) as ring:
        with recovering(ring, fault):
            found = ask_together(ring, everyone, LONG)
            assert fault.struck.is_set()
        for one, (generation, said) in zip(everyone, found, strict=True):
            assert isinstance(generation, Generation), generation
            assert_same(generation, alone.answer(one), said)
            if alone.is_long(one):
                assert_left(generation, one, victim, moment)
        assert_free(ring, strike, victim)
    return fault


def end_cleanly(
    source: ModelSource,
    alone: Alone,
    strike: str,
    victim: int,
    moment: Moment,
    *,
    seeds: int,
    seconds: float,
) -> None:
    everyone = [one for one in alone.first(seeds) if alone.is_long(one)]
    fault = gathering(alone, everyone, strike, victim, moment)
    with ring_of(source, fault, copies=1) as ring:
        with recovering(ring, fault):
            found = ask_together(ring, everyone, seconds)
            assert fault.struck.is_set()
            assert eventually(lambda: not ring.entry.open_runs)
        for one, (end, said) in zip(everyone, found, strict=True):
            assert isinstance(end, DeadlinePassed)
            assert alone.answer(one).text.startswith("".join(said))
        assert_free(ring, strike, victim)


def gathering(
    alone: Alone, everyone: list[Asked], strike: str, victim: int, moment: Moment
) -> Gathering:
    places = {one.request_id: position(one, moment) for one in everyone if alone.is_long(one)}
    room = None if isinstance(moment, int) else FULL_WIRE
    return Gathering(victim, places, STRIKES[strike], room)


def position(one: Asked, moment: Moment) -> int:
    """The one that is on its way then."""
    length = len(one.prompt)
    return length - 1 + moment if isinstance(moment, int) else PLACES[moment](length)


def ring_of(source: ModelSource, fault: Gathering, copies: int) -> AbstractContextManager[Ring]:
    return running(
        source,
        STAGES,
        copies=copies,
        entry_settings=ENTRY,
        stage_settings=STAGE,
        tamper=fault,
        backend=Backend.NATIVE,
        dtype="int8",
    )


Outcome = tuple[Generation | DeadlinePassed, list[str]]
"""How it ended, and what was said."""


def ask_together(ring: Ring, everyone: list[Asked], seconds: float) -> list[Outcome]:
    deadline = time.monotonic() + seconds

    def ask(one: Asked) -> Outcome:
        said: list[str] = []
        options = {"choose_path": ring.choose, "request_id": one.request_id, "on_text": said.append}
        try:
            return ring.ask(one.prompt, sampling=one.sampling, deadline=deadline, **options), said
        except DeadlinePassed as error:
            return error, said

    with ThreadPoolExecutor(len(everyone)) as threads:
        return list(threads.map(ask, everyone))


def assert_left(generation: Generation, one: Asked, victim: int, moment: Moment) -> None:
    """It left the victim for its replica when just what the moment says was known."""
    # On crowded cores another stage may be late too, and be taken for dead.
    change = next(each for each in generation.changes if victim in each.from_shards)
    assert victim + STAGES - 1 in change.to_shards
    assert change.position == max(position(one, moment) + 1, len(one.prompt))


def assert_free(ring: Ring, strike: str, victim: int) -> None:
    dead = {victim} if strike == "killed" else set()
    assert eventually(lambda: not shards_with_cache(ring, dead))


@pytest.mark.parametrize(("strike", "victim", "moment"), SAMPLE)
def test_generate__stage_struck_under_many_requests__each_goes_on_with_its_own_text(
    spoken: ModelSource, alone: Alone, strike: str, victim: int, moment: Moment
) -> None:
    survive(spoken, alone, strike, victim, moment, seeds=10)


@pytest.mark.deep
@pytest.mark.parametrize(("strike", "victim", "moment"), EVERYTHING)
def test_generate__stage_struck_under_a_hundred_seeds_at_any_moment__each_goes_on_within_2_seconds(
    spoken: ModelSource, alone: Alone, strike: str, victim: int, moment: Moment
) -> None:
    fault = survive(spoken, alone, strike, victim, moment, SEEDS)
    assert max(fault.reopened.values()) <= RESUMED_WITHIN


def test_generate__no_replica_under_many_requests__each_ends_at_its_deadline(
    spoken: ModelSource, alone: Alone
) -> None:
    end_cleanly(spoken, alone, "killed", 3, 5, seeds=10, seconds=2.0)


@pytest.mark.deep
@pytest.mark.parametrize(("strike", "victim", "moment"), WITHOUT_REPLICA)
def test_generate__no_replica_under_many_requests_at_any_moment__each_ends_at_its_deadline(
    spoken: ModelSource, alone: Alone, strike: str, victim: int, moment: Moment
) -> None:
    end_cleanly(spoken, alone, strike, victim, moment, seeds=25, seconds=5.0)

# SPDX-License-Identifier: Apache-2.0
"""A stage fails while a hundred requests are at the same token, and each continues with its own
text.

A seed is one request: its prompt, its sampling and its length. One ring runs all seeds of a case
together. The frame with which a request reaches the case's moment (a place in its prompt, or one of
64 tokens) waits on the wire to the victim; when all requests are there, the stage is struck. Only
so many prompt positions may be in flight: when the wire is full, the other requests are struck
earlier in their prompts. Seeds with fewer than 64 tokens run along, and are struck wherever they
are. The expected answers come from the unsplit model, one seed after the other.

The victim is never the entry, which has no replica: the oracle's journal restarts the requests of a
lost entry. The native backend computes everything in int8, bit for bit the same in any batch.

given requests with different prompts, sampling and lengths, all at the same moment
    when a stage is killed, frozen, evicted or cut off
        each should get the text, tokens and receipts that it gets alone
        each piece of text should be published once
        no live shard should keep any cache
        all should be open on a new path within two seconds, on a quiet machine; replay follows
    when no replica is left
        each should end at its deadline, after a beginning of the text that it gets alone
        no live shard should keep any cache
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
# Heartbeats as in production; stages admit all requests of a case.
ENTRY = replace(QUICK_ENTRY, heartbeats=HeartbeatSettings())
STAGE = replace(QUICK_STAGE, max_runs=256, entry_silent_seconds=2.0)
FULL_WIRE = (2 * STAGES - 1) * ENTRY.chunk
"""More prompt rows in flight leave no room for another chunk."""

Moment = str | int
"""A place in the prompt, or the index of the next token."""
PLACES: dict[Moment, Callable[[int], int]] = {
    "first of the prompt": lambda _: 0,
    "amid the prompt": lambda length: length // 2,
    "last of the prompt": lambda length: length - 1,  # it decides token 0
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
        for one, (generation, pieces) in zip(everyone, found, strict=True):
            assert isinstance(generation, Generation), generation
            assert_same(generation, alone.answer(one), pieces)
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
        for one, (end, pieces) in zip(everyone, found, strict=True):
            assert isinstance(end, DeadlinePassed)
            assert alone.answer(one).text.startswith("".join(pieces))
        assert_free(ring, strike, victim)


def gathering(
    alone: Alone, everyone: list[Asked], strike: str, victim: int, moment: Moment
) -> Gathering:
    places = {one.request_id: position(one, moment) for one in everyone if alone.is_long(one)}
    room = None if isinstance(moment, int) else FULL_WIRE
    return Gathering(victim, places, STRIKES[strike], room)


def position(one: Asked, moment: Moment) -> int:
    """The position that is in flight at that moment."""
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
"""How a request ended, and its pieces of text."""


def ask_together(ring: Ring, everyone: list[Asked], seconds: float) -> list[Outcome]:
    deadline = time.monotonic() + seconds

    def ask(one: Asked) -> Outcome:
        pieces: list[str] = []
        options = {
            "choose_path": ring.choose,
            "request_id": one.request_id,
            "on_text": pieces.append,
        }
        try:
            return ring.ask(one.prompt, sampling=one.sampling, deadline=deadline, **options), pieces
        except DeadlinePassed as error:
            return error, pieces

    with ThreadPoolExecutor(len(everyone)) as threads:
        return list(threads.map(ask, everyone))


def assert_left(generation: Generation, one: Asked, victim: int, moment: Moment) -> None:
    """The request left the victim for its replica at the given moment."""
    # On busy cores another stage may be late too, and count as dead.
    change = next(each for each in generation.changes if victim in each.from_shards)
    assert victim + STAGES - 1 in change.to_shards
    assert change.position == max(position(one, moment) + 1, len(one.prompt))


def assert_free(ring: Ring, strike: str, victim: int) -> None:
    dead = {victim} if strike == "killed" else set()
    assert eventually(lambda: not shards_with_cache(ring, dead))


@pytest.mark.parametrize(("strike", "victim", "moment"), SAMPLE)
def test_generate__stage_struck_under_many_requests__each_continues_with_its_own_text(
    spoken: ModelSource, alone: Alone, strike: str, victim: int, moment: Moment
) -> None:
    survive(spoken, alone, strike, victim, moment, seeds=10)


@pytest.mark.deep
@pytest.mark.parametrize(("strike", "victim", "moment"), EVERYTHING)
def test_generate__stage_struck_under_a_hundred_seeds_at_any_moment__each_resumes_in_2_seconds(
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

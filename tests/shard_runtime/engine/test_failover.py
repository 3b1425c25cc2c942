# SPDX-License-Identifier: Apache-2.0
"""A stage may fail at any token; the request continues on its replica, with the same text.

given a path whose stages have replicas
    when a stage is killed, frozen, evicted, cut off, or hangs, in the prompt or at any token
        text, tokens and receipts should be those of a run without a fault
        each piece of text should be published once
        the change should name the position, the lost shard and the one that replaced it
        no live shard should keep any cache
    when a stage hangs, with the default heartbeats
        its runs should leave it after as many as its steps allow, and one more
given no replica
    when the request has a deadline
        it should wait for one, and end with DeadlinePassed and no cache anywhere
    when a replica appears in time
        it should continue on it
    when it has no deadline
        it should raise the error that broke the path
given replicas that are alike
    requests should spread over them
given a stage that breaks the protocol
    it should never be used again, and the caller get its name
given a stage that had no room
    it should be tried again later
given a stage that is struck while receipts go round
    the request should still end with all receipts

One request runs at a time here; many, of a hundred seeds, in `native/test_failover_seeds.py`.
"""

import random
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from shard_runtime import Generation, ModelSource
from shard_runtime.abort_reason import AbortReason
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.engine.entry.path_search import PathFailure
from shard_runtime.engine.entry.request import PathChange
from shard_runtime.errors import (
    DeadlinePassed,
    StageFailed,
    StageMisbehaved,
    StageSilent,
)
from shard_runtime.links.frames import Finish, Hidden, decode
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.engine.test_run_life import eventually, is_empty
from tests.shard_runtime.failing import (
    STRIKES,
    CountedHeartbeats,
    Fault,
    freeze,
    hang,
    kill,
    recovering,
)
from tests.shard_runtime.rings import QUICK_ENTRY, QUICK_STAGE, Ring, room_for, running

PROMPT = tuple(b"canary, the theory of it")[:20]
TOKENS = 64
STAGES = 3
STAGE = replace(QUICK_STAGE, entry_silent_seconds=2.0)
HEARTBEATS = HeartbeatSettings(interval_seconds=0.05, max_missed=5, max_stuck=10)
SETTINGS = replace(QUICK_ENTRY, heartbeats=HEARTBEATS)
LONG = 60.0
SAMPLINGS = {
    "greedy": Sampling(max_tokens=TOKENS),
    "drawn": Sampling(max_tokens=TOKENS, temperature=1.2, top_p=0.95, top_k=50, seed=7),
}

POSITIONS = [*range(0, len(PROMPT), 8), *range(len(PROMPT), len(PROMPT) + TOKENS - 1)]
EVERYTHING = [
    (strike, victim, position, sampling)
    for strike in STRIKES
    for victim in range(2, STAGES + 1)
    for position in POSITIONS
    for sampling in SAMPLINGS
]
SAMPLE = [
    (strike, victim, position, draw.choice(sorted(SAMPLINGS)))
    for draw in [random.Random(20261124)]
    for strike in STRIKES
    for victim in range(2, STAGES + 1)
    for position in (draw.choice(POSITIONS[:3]), draw.choice(POSITIONS[3:]))
]


@pytest.fixture(scope="module")
def quiet(spoken: ModelSource) -> dict[str, Generation]:
    """The answers without a fault."""
    with running(spoken, STAGES) as ring:
        return {name: ring.ask(PROMPT, sampling=each) for name, each in SAMPLINGS.items()}


def ask(ring: Ring, pieces: list[str], **options: Any) -> Generation:
    options = {"deadline": time.monotonic() + LONG, "choose_path": ring.choose} | options
    return ring.ask(PROMPT, TOKENS, on_text=pieces.append, **options)


def survives(
    source: ModelSource,
    expected: dict[str, Generation],
    strike: str,
    victim: int,
    position: int,
    sampling: str,
) -> None:
    fault = Fault(victim, position, STRIKES[strike])
    pieces: list[str] = []
    with running(
        source, STAGES, copies=2, entry_settings=SETTINGS, stage_settings=STAGE, tamper=fault
    ) as ring:
        with recovering(ring, fault):
            generation = ask(ring, pieces, sampling=SAMPLINGS[sampling])
            assert fault.struck.is_set()
        assert_same(generation, expected[sampling], pieces)
        # On busy cores another stage may be late too, and count as dead.
        change = next(each for each in generation.changes if victim in each.from_shards)
        assert victim + STAGES - 1 in change.to_shards
        known = max(position + 1, len(PROMPT))
        assert change.position in {known, known + 1}  # a row in flight may still arrive
        dead = {victim} if strike == "killed" else set()
        assert eventually(lambda: not shards_with_cache(ring, dead))


def assert_same(generation: Generation, expected: Generation, pieces: list[str]) -> None:
    assert generation.token_ids == expected.token_ids
    assert "".join(pieces) == generation.text == expected.text
    receipts = [signed.receipt for signed in generation.receipts]
    end = generation.input_tokens + generation.output_tokens - 1
    assert {(receipt.first_position, receipt.end_position) for receipt in receipts} == {(0, end)}
    assert len(receipts) == STAGES


def shards_with_cache(ring: Ring, dead: set[int]) -> list[int]:
    """Live shards that use cache."""
    parts = [ring.entry, *ring.stages]
    return [
        number
        for number, part in enumerate(parts, start=1)
        if number not in dead and (part.cache_bytes_used or part.open_runs)
    ]


@pytest.mark.parametrize(("strike", "victim", "position", "sampling"), SAMPLE)
def test_generate__stage_struck__continues_with_the_same_text(
    spoken: ModelSource,
    quiet: dict[str, Generation],
    strike: str,
    victim: int,
    position: int,
    sampling: str,
) -> None:
    survives(spoken, quiet, strike, victim, position, sampling)


@pytest.mark.deep
@pytest.mark.parametrize(("strike", "victim", "position", "sampling"), EVERYTHING)
def test_generate__stage_struck_at_any_position__continues_with_the_same_text(
    spoken: ModelSource,
    quiet: dict[str, Generation],
    strike: str,
    victim: int,
    position: int,
    sampling: str,
) -> None:
    survives(spoken, quiet, strike, victim, position, sampling)


@pytest.mark.parametrize("position", [8, len(PROMPT) + 30], ids=["in the prompt", "at a token"])
def test_generate__stage_hangs_by_default_settings__is_abandoned_as_soon_as_its_steps_allow(
    spoken: ModelSource, quiet: dict[str, Generation], position: int
) -> None:
    """After three and one, 1.6 s, for steps of up to 0.2 s (test_heartbeats.py)."""
    defaults = HeartbeatSettings()
    fault = Fault(2, position, hang)
    counted = CountedHeartbeats(fault)
    settings = replace(SETTINGS, heartbeats=defaults)
    pieces: list[str] = []
    broken: list[PathFailure] = []

    def on_failure(failure: PathFailure) -> None:
        counted.stop()
        broken.append(failure)

    with running(
        spoken, STAGES, copies=2, entry_settings=settings, stage_settings=STAGE, tamper=counted
    ) as ring:
        with recovering(ring, fault):
            generation = ask(ring, pieces, on_failure=on_failure)
        assert_same(generation, quiet["greedy"], pieces)
        assert [blamed(failure) for failure in broken] == [(2,)]
        patience = defaults.max_stuck_for(counted.load.longest_microseconds / 1e6)
        assert counted.sent <= patience + 1
        assert patience < defaults.max_stuck  # it reported how long its steps take
        assert eventually(lambda: not shards_with_cache(ring, set()))


@pytest.mark.parametrize("strike", STRIKES)
def test_generate__no_replica__waits_until_the_deadline_and_frees_everything(
    spoken: ModelSource, strike: str
) -> None:
    fault = Fault(3, len(PROMPT) + 5, STRIKES[strike])
    with running(spoken, STAGES, entry_settings=SETTINGS, tamper=fault) as ring:
        broken: list[PathFailure] = []
        with recovering(ring, fault):
            with pytest.raises(DeadlinePassed) as raised:
                ask(ring, [], deadline=time.monotonic() + 1.5, on_failure=broken.append)
            assert eventually(lambda: not ring.entry.open_runs)
        assert raised.value.waited_for in {"a path", "its answer"}
        assert broken
        assert {3} >= {each for error in broken for each in blamed(error)}
        dead = {3} if strike == "killed" else set()
        assert eventually(lambda: not shards_with_cache(ring, dead))


def blamed(error: PathFailure) -> tuple[int, ...]:
    return error.shard_ids if isinstance(error, StageSilent) else (error.shard_id,)


def test_generate__replica_appears_in_time__continues_on_it(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    fault = Fault(3, len(PROMPT) + 30, kill)
    pieces: list[str] = []
    with running(spoken, STAGES, copies=2, entry_settings=SETTINGS, tamper=fault) as ring:
        replica = ring.directory.find(ShardId(5))
        ring.directory.remove(ShardId(5))
        waiting = threading.Event()

        def add_replica(_: PathFailure) -> None:
            threading.Timer(0.3, lambda: ring.directory.add(replica)).start()
            waiting.set()

        with recovering(ring, fault):
            generation = ask(ring, pieces, on_failure=add_replica)
        assert waiting.is_set()
        assert_same(generation, quiet["greedy"], pieces)
        assert [change.to_shards for change in generation.changes] == [(ShardId(5),)]


def test_generate__only_shard_froze_and_resumed__continues_on_it(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    fault = Fault(2, len(PROMPT) + 30, freeze)
    pieces: list[str] = []
    with running(spoken, STAGES, entry_settings=SETTINGS, tamper=fault) as ring:

        def thaw(_: PathFailure) -> None:
            assert ring.network is not None
            ring.network.thaw(ring.tls(2))

        with recovering(ring, fault):
            generation = ask(ring, pieces, on_failure=thaw)
        assert_same(generation, quiet["greedy"], pieces)
        assert generation.changes == ()
        assert eventually(lambda: is_empty(ring))


def test_generate__no_replica_and_no_deadline__raises_the_error_that_broke_the_path(
    spoken: ModelSource,
) -> None:
    fault = Fault(2, len(PROMPT) + 5, kill)
    with running(spoken, STAGES, entry_settings=SETTINGS, tamper=fault) as ring:
        with recovering(ring, fault), pytest.raises(StageFailed) as raised:
            ask(ring, [], deadline=None)
        assert (raised.value.shard_id, raised.value.reason) == (2, AbortReason.LINK_LOST)


def test_generate__both_replicas_struck_one_after_the_other__changes_twice(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    faults = [Fault(3, len(PROMPT) + 10, kill), Fault(5, len(PROMPT) + 40, kill)]

    def both(receiver: ShardId, body: bytes) -> bytes:
        return faults[0](receiver, faults[1](receiver, body))

    pieces: list[str] = []
    with running(spoken, STAGES, copies=3, entry_settings=SETTINGS, tamper=both) as ring:
        with recovering(ring, faults[0]), recovering(ring, faults[1]):
            generation = ask(ring, pieces)
        assert_same(generation, quiet["greedy"], pieces)
        assert generation.changes == (
            PathChange(len(PROMPT) + 11, (ShardId(3),), (ShardId(5),)),
            PathChange(len(PROMPT) + 41, (ShardId(5),), (ShardId(7),)),
        )


def test_generate__replicas_that_are_alike__share_the_load(spoken: ModelSource) -> None:
    """The second request gets the replica that the first one does not use."""
    with running(spoken, 2, copies=2, entry_settings=SETTINGS) as ring:
        chosen: list[ShardId] = []
        first, second = threading.Event(), threading.Event()

        def cheapest(avoiding: frozenset[ShardId]) -> list[ShardId]:
            del avoiding
            replicas = [ShardId(2), ShardId(3)]
            chosen.append(min(replicas, key=ring.entry.performance.cost))
            return [ShardId(1), chosen[-1]]

        def hold(_: str) -> None:
            first.set()
            second.wait(10)

        def one() -> None:
            ring.ask(PROMPT, 100, choose_path=cheapest, on_text=hold)

        other = threading.Thread(target=one)
        other.start()
        assert first.wait(10)
        ring.ask(PROMPT, 2, choose_path=cheapest)
        second.set()
        other.join()
        assert sorted(chosen) == [2, 3]


def test_generate__stage_breaks_the_protocol__is_named_and_never_used_again(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    def send_nan(receiver: ShardId, body: bytes) -> bytes:
        is_hidden = receiver == 3 and isinstance(decode(body), Hidden)
        return body[:-4] + b"\x00\x00\xc0\x7f" if is_hidden else body  # not a number

    pieces: list[str] = []
    broken: list[PathFailure] = []
    with running(spoken, STAGES, copies=2, entry_settings=SETTINGS, tamper=send_nan) as ring:
        # Shard 3 blames shard 2, and then its replica, shard 4, which sends to it too.
        with pytest.raises(DeadlinePassed):
            ask(ring, pieces, on_failure=broken.append, deadline=time.monotonic() + 1.5)
        assert [type(error) for error in broken] == [StageMisbehaved, StageMisbehaved]
        assert [blamed(error) for error in broken] == [(2,), (4,)]
        assert eventually(lambda: is_empty(ring))
    del quiet


def test_generate__stage_without_room__is_tried_again_when_it_has_some(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    per_run = room_for(spoken, LayerRange(2, 4), len(PROMPT) + TOKENS - 1)
    tight = replace(QUICK_STAGE, cache_bytes=per_run)
    answers: list[Generation] = []
    with running(spoken, STAGES, entry_settings=SETTINGS, stage_settings=tight) as ring:

        def one() -> None:
            answers.append(ask(ring, [], sampling=SAMPLINGS["greedy"]))

        threads = [threading.Thread(target=one) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.token_ids for answer in answers] == [quiet["greedy"].token_ids] * 3
        assert eventually(lambda: is_empty(ring))


def test_generate__stage_killed_during_receipts__still_ends_with_all_receipts(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    struck = threading.Event()

    def strike(receiver: ShardId, body: bytes) -> bytes:
        if receiver == 3 and isinstance(decode(body), Finish) and not struck.is_set():
            struck.set()
            kill(ring, 3)
        return body

    pieces: list[str] = []
    with running(spoken, STAGES, copies=2, entry_settings=SETTINGS, tamper=strike) as ring:
        generation = ask(ring, pieces)
        assert struck.is_set()
        assert_same(generation, quiet["greedy"], pieces)
        assert eventually(lambda: not shards_with_cache(ring, {3}))


def test_h11__path_breaks__answer_names_the_shards_that_left(spoken: ModelSource) -> None:
    fault = Fault(2, 24, kill)
    with running(spoken, 2, tamper=fault, copies=2) as ring, recovering(ring, fault):
        assert ring.ask(PROMPT[:9], 4, choose_path=ring.choose).earlier_shards == ()
        generation = ring.ask(PROMPT, 24, choose_path=ring.choose)
        assert fault.struck.is_set()
        assert generation.earlier_shards == (ShardId(2),)


def test_a4__no_path_for_longer_than_the_job_waits__raises_why_and_frees_its_caller(
    spoken: ModelSource,
) -> None:
    """Its caller holds one of the entry's slots, and used to wait until the deadline."""
    fault = Fault(3, len(PROMPT) + 5, kill)
    with (
        running(spoken, STAGES, entry_settings=SETTINGS, tamper=fault) as ring,
        recovering(ring, fault),
        pytest.raises((StageFailed, StageSilent)),
    ):
        ring.ask(PROMPT, TOKENS, deadline=time.monotonic() + 600, max_pathless_seconds=0.5)

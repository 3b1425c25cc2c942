# SPDX-License-Identifier: Apache-2.0
"""A stage may go at any token; the request goes on over its replica, with the same text.

given a path whose stages have replicas
    when a stage is killed, frozen, evicted, cut off, or hangs, in the prompt or at any token
        it should give the text, tokens and receipts of a run in which nothing happens
        it should say each piece of text once
        it should name the position, the shard that went and the one that came
        it should leave no cache anywhere that lives
    when a stage hangs, and heartbeats are as they are by default
        it should be left after as many as its steps allow, and one more
given no replica
    when the request has a deadline
        it should wait for one, and end with DeadlinePassed and no cache anywhere
    when a replica comes in time
        it should go on with it
    when it has no deadline
        it should raise what broke the path
given replicas that are alike
    requests should spread over them
given a stage that lies
    it should never be taken again, and be named to the caller
given a stage that had no room
    it should be tried again
given a stage that is struck while receipts go round
    it should still end with whole receipts

Here one request is asked at a time; many, of a hundred seeds, in `native/test_failover_seeds.py`.
"""

import random
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from shard_runtime import Generation, ModelSource
from shard_runtime.abort_reason import AbortReason
from shard_runtime.engine.entry.generation import PathChange
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.engine.entry.path_search import PathFailure
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
    brought_back,
    freeze,
    hang,
    kill,
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
    """What is said when nothing happens."""
    with running(spoken, STAGES) as ring:
        return {name: ring.ask(PROMPT, sampling=each) for name, each in SAMPLINGS.items()}


def ask(ring: Ring, said: list[str], **options: Any) -> Generation:
    options = {"deadline": time.monotonic() + LONG, "choose_path": ring.choose} | options
    return ring.ask(PROMPT, TOKENS, on_text=said.append, **options)


def survives(
    source: ModelSource,
    expected: dict[str, Generation],
    strike: str,
    victim: int,
    position: int,
    sampling: str,
) -> None:
    fault = Fault(victim, position, STRIKES[strike])
    said: list[str] = []
    with running(
        source, STAGES, copies=2, entry_settings=SETTINGS, stage_settings=STAGE, tamper=fault
    ) as ring:
        with brought_back(ring, fault):
            generation = ask(ring, said, sampling=SAMPLINGS[sampling])
            assert fault.struck.is_set()
        assert_same(generation, expected[sampling], said)
        # On crowded cores another stage may be late too, and be taken for dead.
        change = next(each for each in generation.changes if victim in each.from_shards)
        assert victim + STAGES - 1 in change.to_shards
        known = max(position + 1, len(PROMPT))
        assert change.position in {known, known + 1}  # what was on its way may still arrive
        dead = {victim} if strike == "killed" else set()
        assert eventually(lambda: not held(ring, dead))


def assert_same(generation: Generation, expected: Generation, said: list[str]) -> None:
    assert generation.token_ids == expected.token_ids
    assert "".join(said) == generation.text == expected.text
    receipts = [signed.receipt for signed in generation.receipts]
    end = generation.input_tokens + generation.output_tokens - 1
    assert {(receipt.first_position, receipt.end_position) for receipt in receipts} == {(0, end)}
    assert len(receipts) == STAGES


def held(ring: Ring, dead: set[int]) -> list[int]:
    """Shards that live and hold cache."""
    parts = [ring.entry, *ring.stages]
    return [
        number
        for number, part in enumerate(parts, start=1)
        if number not in dead and (part.cache_bytes_used or part.open_runs)
    ]


@pytest.mark.parametrize(("strike", "victim", "position", "sampling"), SAMPLE)
def test_generate__stage_struck__goes_on_with_the_same_text(
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
def test_generate__stage_struck_at_any_position__goes_on_with_the_same_text(
    spoken: ModelSource,
    quiet: dict[str, Generation],
    strike: str,
    victim: int,
    position: int,
    sampling: str,
) -> None:
    survives(spoken, quiet, strike, victim, position, sampling)


@pytest.mark.parametrize("position", [8, len(PROMPT) + 30], ids=["in the prompt", "at a token"])
def test_generate__stage_hangs_by_default_settings__is_left_as_soon_as_its_steps_allow(
    spoken: ModelSource, quiet: dict[str, Generation], position: int
) -> None:
    """Which are three and one, 1.6 s, where steps take up to 0.2 s (test_heartbeats.py)."""
    defaults = HeartbeatSettings()
    fault = Fault(2, position, hang)
    counted = CountedHeartbeats(fault)
    settings = replace(SETTINGS, heartbeats=defaults)
    said: list[str] = []
    broken: list[PathFailure] = []

    def left(failure: PathFailure) -> None:
        counted.stop()
        broken.append(failure)

    with running(
        spoken, STAGES, copies=2, entry_settings=settings, stage_settings=STAGE, tamper=counted
    ) as ring:
        with brought_back(ring, fault):
            generation = ask(ring, said, on_failure=left)
        assert_same(generation, quiet["greedy"], said)
        assert [blamed(failure) for failure in broken] == [(2,)]
        patience = defaults.max_stuck_for(counted.load.longest_microseconds / 1e6)
        assert counted.sent <= patience + 1
        assert patience < defaults.max_stuck  # it told how long its steps take
        assert eventually(lambda: not held(ring, set()))


@pytest.mark.parametrize("strike", STRIKES)
def test_generate__no_replica__waits_until_the_deadline_and_frees_everything(
    spoken: ModelSource, strike: str
) -> None:
    fault = Fault(3, len(PROMPT) + 5, STRIKES[strike])
    with running(spoken, STAGES, entry_settings=SETTINGS, tamper=fault) as ring:
        broken: list[PathFailure] = []
        with brought_back(ring, fault):
            with pytest.raises(DeadlinePassed) as raised:
                ask(ring, [], deadline=time.monotonic() + 1.5, on_failure=broken.append)
            assert eventually(lambda: not ring.entry.open_runs)
        assert raised.value.waited_for in {"a path", "its answer"}
        assert broken
        assert {3} >= {each for error in broken for each in blamed(error)}
        dead = {3} if strike == "killed" else set()
        assert eventually(lambda: not held(ring, dead))


def blamed(error: PathFailure) -> tuple[int, ...]:
    return error.shard_ids if isinstance(error, StageSilent) else (error.shard_id,)


def test_generate__replica_comes_in_time__goes_on_with_it(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    fault = Fault(3, len(PROMPT) + 30, kill)
    said: list[str] = []
    with running(spoken, STAGES, copies=2, entry_settings=SETTINGS, tamper=fault) as ring:
        replica = ring.directory.find(ShardId(5))
        ring.directory.remove(ShardId(5))
        waiting = threading.Event()

        def come(_: PathFailure) -> None:
            threading.Timer(0.3, lambda: ring.directory.add(replica)).start()
            waiting.set()

        with brought_back(ring, fault):
            generation = ask(ring, said, on_failure=come)
        assert waiting.is_set()
        assert_same(generation, quiet["greedy"], said)
        assert [change.to_shards for change in generation.changes] == [(ShardId(5),)]


def test_generate__only_shard_froze_and_is_back__goes_on_with_it_again(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    fault = Fault(2, len(PROMPT) + 30, freeze)
    said: list[str] = []
    with running(spoken, STAGES, entry_settings=SETTINGS, tamper=fault) as ring:

        def thaw(_: PathFailure) -> None:
            assert ring.network is not None
            ring.network.thaw(ring.tls(2))

        with brought_back(ring, fault):
            generation = ask(ring, said, on_failure=thaw)
        assert_same(generation, quiet["greedy"], said)
        assert generation.changes == ()
        assert eventually(lambda: is_empty(ring))


def test_generate__no_replica_and_no_deadline__raises_what_broke_the_path(
    spoken: ModelSource,
) -> None:
    fault = Fault(2, len(PROMPT) + 5, kill)
    with running(spoken, STAGES, entry_settings=SETTINGS, tamper=fault) as ring:
        with brought_back(ring, fault), pytest.raises(StageFailed) as raised:
            ask(ring, [], deadline=None)
        assert (raised.value.shard_id, raised.value.reason) == (2, AbortReason.LINK_LOST)


def test_generate__both_replicas_struck_one_after_the_other__changes_twice(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    faults = [Fault(3, len(PROMPT) + 10, kill), Fault(5, len(PROMPT) + 40, kill)]

    def both(receiver: ShardId, body: bytes) -> bytes:
        return faults[0](receiver, faults[1](receiver, body))

    said: list[str] = []
    with running(spoken, STAGES, copies=3, entry_settings=SETTINGS, tamper=both) as ring:
        with brought_back(ring, faults[0]), brought_back(ring, faults[1]):
            generation = ask(ring, said)
        assert_same(generation, quiet["greedy"], said)
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


def test_generate__stage_lies__is_named_and_never_taken_again(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    def lie(receiver: ShardId, body: bytes) -> bytes:
        is_hidden = receiver == 3 and isinstance(decode(body), Hidden)
        return body[:-4] + b"\x00\x00\xc0\x7f" if is_hidden else body  # not a number

    said: list[str] = []
    broken: list[PathFailure] = []
    with running(spoken, STAGES, copies=2, entry_settings=SETTINGS, tamper=lie) as ring:
        # Shard 2 seems to lie to 3; its replica, 4, sends to 3 too, and so seems to lie as well.
        with pytest.raises(DeadlinePassed):
            ask(ring, said, on_failure=broken.append, deadline=time.monotonic() + 1.5)
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


def test_generate__stage_killed_while_receipts_go_round__still_ends_with_whole_receipts(
    spoken: ModelSource, quiet: dict[str, Generation]
) -> None:
    struck = threading.Event()

    def strike(receiver: ShardId, body: bytes) -> bytes:
        if receiver == 3 and isinstance(decode(body), Finish) and not struck.is_set():
            struck.set()
            kill(ring, 3)
        return body

    said: list[str] = []
    with running(spoken, STAGES, copies=2, entry_settings=SETTINGS, tamper=strike) as ring:
        generation = ask(ring, said)
        assert struck.is_set()
        assert_same(generation, quiet["greedy"], said)
        assert eventually(lambda: not held(ring, {3}))

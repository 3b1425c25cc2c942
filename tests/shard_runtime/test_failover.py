"""A stage is lost in the middle of an answer.

given a path whose stages have replicas
    when one dies, falls silent or is evicted, at any token or in the prompt
        it should go on over the replica with the same text, say nothing twice, name the change
        and the receipts should be the new path's, for all positions
        and no cache be left at any stage that lives
    when one is only slow and has no replica
        it should wait for it
given no replica
    it should end with what was lost, at once or when nobody waits any more, and leave nothing
    when one comes in time
        it should go on over that
given a loss that is put down to the entry itself
    it should be raised: no other path could help
"""

import random
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from shard_runtime import Generation, ModelSource
from shard_runtime.errors import StageFailed, StageMisbehaved, StageSilent
from shard_runtime.frames import Batch, Beat, Hidden, decode
from teetee.identifiers import ShardId
from tests.shard_runtime.replicas import (
    LAST,
    LAST_TWICE,
    MIDDLE,
    MIDDLE_TWICE,
    Freeze,
    Replicas,
    replicated,
)
from tests.shard_runtime.rings import QUICK_ENTRY, running
from tests.shard_runtime.test_run_life import eventually
from tests.shard_runtime.tiny_models import prompt_of

PROMPT = prompt_of(20, seed=9)
TOKENS = 64
CHUNKS = 3
"""Frames of a prompt of 20 with chunks of 8."""
BRISK = replace(QUICK_ENTRY, beat_seconds=0.01, beat_silent_seconds=0.15)
POSITIONS = range(CHUNKS + TOKENS - 1)
"""Frames of rows that a stage gets for one answer."""


@pytest.fixture(scope="module")
def undisturbed(llama: ModelSource) -> Generation:
    with running(llama, 1) as ring:
        return ring.ask(PROMPT, TOKENS)


def assert_went_on(
    replicas: Replicas, undisturbed: Generation, lost: ShardId, said: list[str], found: Generation
) -> None:
    assert found.token_ids == undisturbed.token_ids
    assert found.text == undisturbed.text == "".join(said)
    (change,) = found.changes
    instead = MIDDLE_TWICE if lost == MIDDLE else LAST_TWICE
    assert lost in change.lost
    assert instead in change.path
    assert [each.receipt.shard_id for each in found.receipts] == list(change.path)
    ends = {(each.receipt.first_position, each.receipt.end_position) for each in found.receipts}
    assert ends == {(0, len(PROMPT) + TOKENS - 1)}
    living = [stage for stage in replicas.ring.stages if stage.open_runs]
    frozen = replicas.ring.stages[lost - 2]
    assert eventually(lambda: not replicas.ring.entry.cache_bytes_used)
    assert eventually(lambda: all(not each.cache_bytes_used for each in living if each != frozen))


def sampled(count: int) -> list[int]:
    """A seeded part of all positions, the ends among them; all of them is `make test-deep`."""
    inner = random.Random(7).sample(POSITIONS[1:-1], count - 2)
    return sorted({POSITIONS[0], POSITIONS[-1], *inner})


def moments(count: int) -> list[object]:
    chosen = sampled(count)
    return [
        pytest.param(after, marks=[] if after in chosen else [pytest.mark.deep])
        for after in POSITIONS
    ]


@pytest.mark.parametrize("after", moments(8))
@pytest.mark.parametrize("lost", [MIDDLE, LAST], ids=["the middle", "the last"])
def test_generate__stage_falls_silent__goes_on_with_the_same_text(
    llama: ModelSource, undisturbed: Generation, lost: ShardId, after: int
) -> None:
    freeze = Freeze(lost, after)
    said: list[str] = []
    with replicated(llama, freeze, BRISK) as replicas:
        found = replicas.ask(PROMPT, TOKENS, on_text=said.append)
        assert freeze.is_frozen
        assert_went_on(replicas, undisturbed, lost, said, found)


@pytest.mark.parametrize("after", moments(8))
@pytest.mark.parametrize("lost", [MIDDLE, LAST], ids=["the middle", "the last"])
def test_generate__stage_dies__goes_on_with_the_same_text(
    llama: ModelSource, undisturbed: Generation, lost: ShardId, after: int
) -> None:
    counted = 0
    ring_of: list[Replicas] = []

    def kill(receiver: ShardId, body: bytes) -> bytes | None:
        nonlocal counted
        if receiver == lost and isinstance(decode(body), (Hidden, Batch)):
            counted += 1
            if counted == after + 1:
                stage = ring_of[0].ring.stages[lost - 2]
                threading.Thread(target=stage.close).start()
                return None
        return body

    said: list[str] = []
    with replicated(llama, kill, BRISK) as replicas:
        ring_of.append(replicas)
        found = replicas.ask(PROMPT, TOKENS, on_text=said.append)
        assert_went_on(replicas, undisturbed, lost, said, found)


def test_generate__stage_is_evicted__goes_on_with_the_same_text(
    llama: ModelSource, undisturbed: Generation
) -> None:
    ring_of: list[Replicas] = []
    counted = 0

    def evict(receiver: ShardId, body: bytes) -> bytes | None:
        nonlocal counted
        if receiver == MIDDLE and isinstance(decode(body), (Hidden, Batch)):
            counted += 1
            if counted == 30:
                ring_of[0].ring.directory.remove(MIDDLE)
                ring_of[0].gone.add(MIDDLE)
        return body

    said: list[str] = []
    with replicated(llama, evict, BRISK) as replicas:
        ring_of.append(replicas)
        found = replicas.ask(PROMPT, TOKENS, on_text=said.append)
        assert_went_on(replicas, undisturbed, MIDDLE, said, found)


def test_generate__both_stages_are_lost_one_after_the_other__goes_on_twice(
    llama: ModelSource, undisturbed: Generation
) -> None:
    first, second = Freeze(MIDDLE, 10), Freeze(LAST, 40)

    def both(receiver: ShardId, body: bytes) -> bytes | None:
        return first(receiver, body) and second(receiver, body)

    with replicated(llama, both, BRISK) as replicas:
        found = replicas.ask(PROMPT, TOKENS)
    assert found.token_ids == undisturbed.token_ids
    assert [change.lost for change in found.changes] == [(MIDDLE,), (LAST,)]
    assert found.changes[-1].path == (1, MIDDLE_TWICE, LAST_TWICE)


def test_generate__stage_does_not_answer_and_has_no_replica__is_waited_for(
    llama: ModelSource, undisturbed: Generation
) -> None:
    def slow(receiver: ShardId, body: bytes) -> bytes | None:
        if receiver == MIDDLE and isinstance(decode(body), (Hidden, Batch)):
            threading.Event().wait(0.01)  # so that the answer takes longer than the patience
        return None if receiver == MIDDLE and isinstance(decode(body), Beat) else body

    with replicated(llama, slow, BRISK) as replicas:
        replicas.gone.add(MIDDLE_TWICE)
        found = replicas.ask(PROMPT, TOKENS)
    assert found.token_ids == undisturbed.token_ids
    assert found.changes == ()


@pytest.mark.parametrize("wait", [0.0, 0.3], ids=["at once", "after a while"])
def test_generate__no_replica__ends_with_what_was_lost(llama: ModelSource, wait: float) -> None:
    ring_of: list[Replicas] = []

    def kill(receiver: ShardId, body: bytes) -> bytes | None:
        if receiver == MIDDLE and isinstance(decode(body), (Hidden, Batch)):
            threading.Thread(target=ring_of[0].ring.stages[0].close).start()
            return None
        return body

    with replicated(llama, kill, BRISK) as replicas:
        ring_of.append(replicas)
        replicas.gone.add(MIDDLE_TWICE)
        with pytest.raises((StageFailed, StageSilent)):
            replicas.ask(PROMPT, TOKENS, wait_seconds=wait)
        assert eventually(lambda: not replicas.ring.entry.cache_bytes_used)
        assert not replicas.ring.entry.open_runs


def test_generate__nobody_waits_any_more__ends_with_what_was_lost(llama: ModelSource) -> None:
    freeze = Freeze(MIDDLE, 5)
    with replicated(llama, freeze, replace(BRISK, silent_seconds=0.2)) as replicas:
        replicas.gone.add(MIDDLE_TWICE)
        with pytest.raises(StageSilent) as silent:
            # refused so often: it has ended, and another path is looked for again and again
            replicas.ask(PROMPT, TOKENS, wait_seconds=60, cancelled=lambda: replicas.refused > 4)
        assert MIDDLE in silent.value.shard_ids
        assert not replicas.ring.entry.open_runs


def test_generate__replica_comes_in_time__goes_on_over_it(
    llama: ModelSource, undisturbed: Generation
) -> None:
    freeze = Freeze(MIDDLE, 12)
    with replicated(llama, freeze, replace(BRISK, silent_seconds=0.2)) as replicas:
        replicas.gone.add(MIDDLE_TWICE)
        timer = threading.Timer(0.6, replicas.gone.discard, [MIDDLE_TWICE])
        timer.start()
        said: list[str] = []
        found = replicas.ask(PROMPT, TOKENS, wait_seconds=60, on_text=said.append)
        timer.join()
        assert found.token_ids == undisturbed.token_ids
        assert "".join(said) == undisturbed.text
        assert MIDDLE_TWICE in found.changes[-1].path


def test_generate__the_entry_itself_is_to_blame__no_other_path_is_looked_for(
    llama: ModelSource,
) -> None:
    def garble(receiver: ShardId, body: bytes) -> bytes | None:
        return body[:-1] if receiver == MIDDLE and isinstance(decode(body), Hidden) else body

    # what reaches the middle is garbled: it puts that down to the entry, which no path avoids
    with replicated(llama, garble, BRISK) as replicas, pytest.raises(StageMisbehaved):
        replicas.ask(PROMPT, TOKENS)


@pytest.mark.parametrize("seed", range(4))
def test_generate__many_at_once_and_stages_come_and_go__all_as_alone(
    llama: ModelSource, seed: int
) -> None:
    chance = random.Random(seed)
    prompts = [prompt_of(chance.randint(3, 30), seed=100 + each) for each in range(8)]
    with running(llama, 1) as ring:
        expected = [ring.ask(prompt, 24).token_ids for prompt in prompts]
    freeze = Freeze(chance.choice([MIDDLE, LAST]), chance.randint(0, 60))
    found: dict[int, tuple[int, ...]] = {}
    with replicated(llama, freeze, BRISK) as replicas:
        run_together(
            [
                lambda index=index: found.update(  # type: ignore[misc]
                    {index: replicas.ask(prompts[index], 24).token_ids}
                )
                for index in range(len(prompts))
            ]
        )
        assert eventually(lambda: not replicas.ring.entry.cache_bytes_used)
    assert [found[index] for index in range(len(prompts))] == expected


def run_together(calls: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

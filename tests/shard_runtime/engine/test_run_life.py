# SPDX-License-Identifier: Apache-2.0
"""The life of a run: it ends everywhere, whatever happens, and names the stage that failed.

given a ring
    when a request ends, well or by cancelling
        it should leave no cache anywhere
    when several requests are asked at once
        it should answer each as if it were alone
    when a stage is gone, silent, or full
        it should name it, free the caches and go on with the next request
    when a frame is garbled, repeated, left out, of another shape, or holds NaN
        it should name the stage and free the caches
given a prompt that is empty, too long or of foreign tokens; a path that is no path
    it should be refused before anything is computed
"""

import struct
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from shard_runtime import EntrySettings, FixedDirectory, ModelSource, Peer
from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import (
    CacheFull,
    ContextOverflow,
    EntryClosed,
    PathInvalid,
    PeerUnknown,
    PromptEmpty,
    RunCancelled,
    StageFailed,
    StageMisbehaved,
    StageSilent,
    TokenUnknown,
)
from shard_runtime.links.frames import Hidden, Open, decode, encode
from shard_runtime.links.memory_links import Tamper
from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import ShardId
from tests.shard_runtime.rings import QUICK_ENTRY, QUICK_STAGE, Ring, running
from tests.shard_runtime.tiny_models import CONTEXT, VOCABULARY, prompt_of

PROMPT = prompt_of(20, seed=9)
PATIENCE = 10.0


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for other threads, which take as long as the machine needs."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.005)
    return True


def is_empty(ring: Ring) -> bool:
    return not any(ring.cache_bytes_used) and not ring.entry.open_runs


class FirstOf:
    """Damages the first frame to a shard that fits, and lets all others pass."""

    def __init__(self, shard_id: int, change: Callable[[bytes], bytes | None]) -> None:
        self._shard_id = shard_id
        self._change = change
        self._done = False

    def __call__(self, shard_id: ShardId, body: bytes) -> bytes | None:
        fits = shard_id == self._shard_id and isinstance(decode(body), Hidden)
        if self._done or not fits:
            return body
        self._done = True
        return self._change(body)


def edited(**changes: object) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        frame = decode(body)
        assert isinstance(frame, Hidden)
        (segment,) = frame.segments
        place = replace(segment.place, **changes)  # type: ignore[arg-type]
        return encode(replace(frame, segments=(replace(segment, place=place),)))

    return change


def with_number(number: float) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        return body[:-4] + struct.pack("<f", number)

    return change


def narrower(body: bytes) -> bytes:
    """The same segments, of rows of two numbers."""
    frame = decode(body)
    assert isinstance(frame, Hidden)
    return encode(replace(frame, width=2, data=memoryview(bytes(frame.rows * 8))))


def test_generate__request_answered__leaves_no_cache_anywhere(llama: ModelSource) -> None:
    with running(llama, 3) as ring:
        assert len(ring.ask(PROMPT).token_ids) == 12
        assert eventually(lambda: is_empty(ring))


def test_generate__cancelled_midway__frees_all_stages_and_serves_the_next(
    llama: ModelSource,
) -> None:
    started = threading.Event()

    def watch(shard_id: ShardId, body: bytes) -> bytes:
        if shard_id == 1:
            started.set()
        return body

    with running(llama, 3, tamper=watch) as ring:
        expected = ring.ask(PROMPT).token_ids
        started.clear()
        with pytest.raises(RunCancelled):
            ring.ask(PROMPT, 90, is_cancelled=started.is_set)
        assert eventually(lambda: is_empty(ring))
        assert ring.ask(PROMPT).token_ids == expected


def test_generate__callers_function_raises__frees_all_stages(llama: ModelSource) -> None:
    def disconnected() -> bool:
        raise KeyError

    with running(llama, 2) as ring:
        with pytest.raises(KeyError):
            ring.ask(PROMPT, 90, is_cancelled=disconnected)
        assert eventually(lambda: is_empty(ring))


def test_generate__several_at_once__answers_each_as_if_alone(llama: ModelSource) -> None:
    prompts = [prompt_of(3 + 7 * number, seed=number) for number in range(6)]
    answers: dict[int, tuple[int, ...]] = {}
    with running(llama, 3) as ring:
        alone = [ring.ask(prompt).token_ids for prompt in prompts]

        def ask(number: int) -> None:
            answers[number] = ring.ask(prompts[number]).token_ids

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answers[number] for number in range(6)] == alone
        assert eventually(lambda: is_empty(ring))


def test_generate__cancels_and_answers_many_times__leaks_nothing(llama: ModelSource) -> None:
    with running(llama, 2) as ring:
        for number in range(40):
            if number % 2:
                with pytest.raises(RunCancelled):
                    ring.ask(PROMPT, 60, is_cancelled=lambda: True)
            else:
                ring.ask(PROMPT[: number + 1], 2)
        assert eventually(lambda: is_empty(ring))
        assert [stage.open_runs for stage in ring.stages] == [0]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (with_number(float("nan")), "numbers that are not finite"),
        (with_number(float("inf")), "numbers that are not finite"),
        (edited(hop=2), "garbled, out of order"),
        (edited(sequence=7), "garbled, out of order"),
        (edited(first_position=5), "garbled, out of order"),
        (lambda body: body[:-4], "garbled, out of order"),
        (lambda body: body[:34] + b"\xff" * 8, "garbled, out of order"),
        (narrower, "garbled, out of order"),
    ],
    ids=["NaN", "infinity", "hop", "sequence", "position", "cut off", "huge shape", "width"],
)
def test_generate__bad_frame_between_stages__names_the_stage_and_goes_on(
    llama: ModelSource, change: Callable[[bytes], bytes], error: str
) -> None:
    with running(llama, 3, tamper=FirstOf(2, change)) as ring:
        with pytest.raises(StageMisbehaved, match=error) as raised:
            ring.ask(PROMPT)
        assert (raised.value.hop, raised.value.shard_id) == (0, 1)
        assert eventually(lambda: is_empty(ring))
        assert len(ring.ask(PROMPT).token_ids) == 12


@pytest.mark.parametrize(
    "change",
    [with_number(float("nan")), edited(sequence=4), lambda body: body + body],
    ids=["NaN", "sequence", "doubled"],
)
def test_generate__bad_frame_back_to_the_entry__names_the_last_stage(
    llama: ModelSource, change: Callable[[bytes], bytes]
) -> None:
    with running(llama, 3, tamper=FirstOf(1, change)) as ring:
        with pytest.raises(StageMisbehaved) as raised:
            ring.ask(PROMPT)
        assert (raised.value.hop, raised.value.shard_id) == (2, 3)
        assert eventually(lambda: is_empty(ring))


def test_generate__frame_left_out__names_the_sender_by_the_next_one(llama: ModelSource) -> None:
    with running(llama, 3, tamper=FirstOf(3, lambda _: None)) as ring:
        with pytest.raises(StageMisbehaved) as raised:
            ring.ask(PROMPT)
        assert raised.value.shard_id == 2


def test_generate__nothing_comes_back__raises_stage_silent(llama: ModelSource) -> None:
    settings = replace(QUICK_ENTRY, silent_seconds=0.2)
    deaf: Tamper = lambda shard_id, body: None if shard_id == 2 else body  # noqa: E731
    with running(llama, 2, tamper=deaf, entry_settings=settings) as ring:
        with pytest.raises(StageSilent) as raised:
            ring.ask(PROMPT)
        assert raised.value.shard_ids == (2,)
        assert eventually(lambda: is_empty(ring))


def test_generate__stage_gone__raises_stage_failed_by_lost_link(llama: ModelSource) -> None:
    with running(llama, 3) as ring:
        ring.stages[1].close()
        with pytest.raises(StageFailed) as raised:
            ring.ask(PROMPT)
        assert (raised.value.shard_id, raised.value.reason) == (3, AbortReason.LINK_LOST)
        assert eventually(lambda: is_empty(ring))


def test_generate__stage_without_room__raises_stage_failed_naming_it(llama: ModelSource) -> None:
    small = replace(QUICK_STAGE, cache_bytes=1000)
    with running(llama, 2, stage_settings=small) as ring:
        with pytest.raises(StageFailed) as raised:
            ring.ask(PROMPT)
        assert (raised.value.shard_id, raised.value.reason) == (2, AbortReason.CACHE_FULL)
        assert eventually(lambda: is_empty(ring))


def test_generate__entry_without_room__raises_cache_full(llama: ModelSource) -> None:
    with running(llama, 1, entry_settings=EntrySettings(cache_bytes=1000)) as ring:
        with pytest.raises(CacheFull) as raised:
            ring.ask(PROMPT)
        assert (raised.value.free, raised.value.budget) == (1000, 1000)
        assert raised.value.needed == (20 + 12 - 1) * 6 * 2 * 2 * 8 * 4


def test_stage__nothing_comes_for_an_open_run__gives_it_up(llama: ModelSource) -> None:
    forgetful = replace(QUICK_STAGE, idle_seconds=0.1)
    only_open: Tamper = (  # noqa: E731
        lambda shard_id, body: body if shard_id == 1 or isinstance(decode(body), Open) else None
    )
    with running(llama, 2, tamper=only_open, stage_settings=forgetful) as ring:
        with pytest.raises(StageFailed) as raised:
            ring.ask(PROMPT)
        assert raised.value.reason is AbortReason.IDLE
        assert eventually(lambda: is_empty(ring))


def test_close__while_a_caller_waits__raises_entry_closed(llama: ModelSource) -> None:
    waiting = threading.Event()

    def close() -> None:
        waiting.wait(PATIENCE)
        ring.entry.close()

    def go_on() -> bool:
        waiting.set()
        return False

    deaf: Tamper = lambda shard_id, body: None if shard_id == 2 else body  # noqa: E731
    with running(llama, 2, tamper=deaf) as ring:
        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(EntryClosed):
            ring.ask(PROMPT, is_cancelled=go_on)
        closer.join()
        with pytest.raises(EntryClosed):
            ring.ask(PROMPT)


@pytest.mark.parametrize(
    ("prompt", "error"),
    [((), PromptEmpty), ((3, VOCABULARY), TokenUnknown), ((-1,), TokenUnknown)],
    ids=["empty", "beyond the vocabulary", "negative"],
)
def test_generate__bad_prompt__is_refused(
    llama: ModelSource, prompt: tuple[int, ...], error: type[Exception]
) -> None:
    with running(llama, 1) as ring, pytest.raises(error):
        ring.ask(prompt)


def test_generate__prompt_as_long_as_the_context__raises_with_both_numbers(
    llama: ModelSource,
) -> None:
    with running(llama, 1) as ring:
        with pytest.raises(ContextOverflow) as raised:
            ring.ask(prompt_of(CONTEXT))
        assert (raised.value.tokens, raised.value.context_length) == (CONTEXT, CONTEXT)
        assert f"{CONTEXT} tokens" in str(raised.value)


def test_generate__context_ends_before_max_tokens__ends_by_length(llama: ModelSource) -> None:
    with running(llama, 2) as ring:
        generation = ring.ask(prompt_of(CONTEXT - 3), 50)
        assert (generation.finish_reason, generation.output_tokens) == ("length", 3)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ([1], "ends at layer 2 of 6"),
        ([], "must name at least one shard"),
        ([1, 3], "reaches layer 2, and shard 3 begins at 4"),
        ([1, 2, 2], "each shard once"),
        ([2, 1, 3], "reaches layer 0, and shard 2 begins at 2"),
    ],
    ids=["too short", "empty", "gap", "repeated", "out of order"],
)
def test_generate__path_that_is_none__raises_path_invalid(
    llama: ModelSource, path: list[int], error: str
) -> None:
    with running(llama, 3) as ring, pytest.raises(PathInvalid, match=error):
        ring.ask(PROMPT, path=path)


def test_generate__unknown_shard_in_path__raises_peer_unknown(llama: ModelSource) -> None:
    with running(llama, 2) as ring, pytest.raises(PeerUnknown, match="Shard 9 is not active"):
        ring.ask(PROMPT, path=[1, 9])


def test_generate__salt_of_another_length__is_refused(llama: ModelSource) -> None:
    with running(llama, 2) as ring, pytest.raises(FieldInvalid, match="32 bytes for each hop"):
        ring.ask(PROMPT, salt_of=lambda _: bytes(31))


def test_stage__directory_gives_it_other_layers__refuses_the_run(llama: ModelSource) -> None:
    """The entry's directory and the stage's are the same here; what the stage loaded is not."""

    def alter(peer: Peer) -> Peer:
        return (
            replace(peer, layers=type(peer.layers)(peer.layers.first, 6))
            if (peer.shard_id == 2)
            else peer
        )

    with running(llama, 3, alter_peer=alter) as ring:
        with pytest.raises(StageFailed) as raised:
            ring.ask(PROMPT, path=[1, 2])
        assert (raised.value.shard_id, raised.value.reason) == (2, AbortReason.PATH_INVALID)
        assert eventually(lambda: is_empty(ring))


def test_stage__another_stage_is_not_active_for_it__names_that_one(llama: ModelSource) -> None:
    with running(llama, 3) as ring:
        knows_less = FixedDirectory([ring.directory.find(ShardId(each)) for each in (1, 3)])
        ring.part(3)._intake._directory = knows_less
        with pytest.raises(StageFailed) as raised:
            ring.ask(PROMPT)
        assert (raised.value.shard_id, raised.value.reason) == (2, AbortReason.PATH_INVALID)
        assert eventually(lambda: is_empty(ring))


def test_stage__many_runs__never_exceed_the_budget(llama: ModelSource) -> None:
    per_run = (20 + 12 - 1) * 3 * 2 * 2 * 8 * 4
    settings = replace(QUICK_STAGE, cache_bytes=2 * per_run)
    used: list[int] = []
    reasons: list[AbortReason] = []
    with running(llama, 2, stage_settings=settings) as ring:

        def look() -> bool:
            used.append(ring.stages[0].cache_bytes_used)
            return False

        def ask() -> None:
            try:
                ring.ask(PROMPT, is_cancelled=look)
            except StageFailed as error:
                reasons.append(error.reason)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert eventually(lambda: is_empty(ring))
    assert 0 < max(used) <= 2 * per_run
    assert set(reasons) <= {AbortReason.CACHE_FULL}

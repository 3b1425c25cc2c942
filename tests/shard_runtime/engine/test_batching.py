# SPDX-License-Identifier: Apache-2.0
"""Rows of several runs in one step: faster, with the same results as alone.

given several requests at once, greedy and drawn, short and long
    each should get the text that it gets alone
    frames should carry rows of several runs, and never more than the limit of a step
    the next micro-batch should leave before the last one returned
given a long request
    a short one should start after it and finish before it
    tokens should continue between the chunks of a prompt
given one run of a step that cannot be computed, or whose rows are not finite or out of place
    it alone should end, with an error that names the stage
given a step that fails outside of any run
    the open runs should end, and the next request be answered
given a frame that is cut off
    the runs that it names should end, and the next ones be served
given more requests than fit into the cache
    they should wait for each other, and all be answered; one that can never fit should be refused
"""

import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from shard_runtime import Generation, ModelSource
from shard_runtime.backends.shard import Span
from shard_runtime.errors import CacheFull, StageFailed, StageMisbehaved
from shard_runtime.links.frames import Hidden, decode, encode
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.engine.test_run_life import PATIENCE, eventually, is_empty
from tests.shard_runtime.rings import QUICK_ENTRY, Ring, room_for, running
from tests.shard_runtime.tiny_models import CONTEXT, prompt_of

Ask = tuple[tuple[int, ...], Sampling]

ASKED: list[Ask] = [
    (
        prompt_of(2 + 9 * number, seed=number),
        Sampling(max_tokens=10 + number)
        if number % 2
        else Sampling(max_tokens=12, temperature=1.3, top_p=0.9, top_k=40, seed=number),
    )
    for number in range(8)
]


def ask_together(ring: Ring, asked: Sequence[Ask], **options: Any) -> list[Generation | Exception]:
    """Ask each in its own thread; returns what each got."""
    got: dict[int, Generation | Exception] = {}

    def one(number: int, prompt: tuple[int, ...], sampling: Sampling) -> None:
        try:
            got[number] = ring.ask(prompt, sampling=sampling, **options)
        except Exception as error:  # noqa: BLE001 - the test checks it
            got[number] = error

    threads = [
        threading.Thread(target=one, args=(number, *each)) for number, each in enumerate(asked)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [got[number] for number in range(len(asked))]


def tokens(got: Generation | Exception) -> tuple[int, ...]:
    assert isinstance(got, Generation), got
    return got.token_ids


@pytest.mark.parametrize("tls", [False, True], ids=["in memory", "over TLS"])
def test_generate__many_at_once__answers_each_as_if_alone(spoken: ModelSource, tls: bool) -> None:
    with running(spoken, 3, tls=tls) as ring:
        alone = [ring.ask(prompt, sampling=sampling) for prompt, sampling in ASKED]
        for _ in range(3):
            together = ask_together(ring, ASKED)
            assert [tokens(each) for each in together] == [each.token_ids for each in alone]
            texts = [each.text for each in together if isinstance(each, Generation)]
            assert texts == [each.text for each in alone]
        assert eventually(lambda: is_empty(ring))


def test_generate__many_at_once__share_frames_within_the_limit(spoken: ModelSource) -> None:
    frames: list[Hidden] = []

    def watch(_: ShardId, body: bytes) -> bytes:
        frame = decode(body)
        if isinstance(frame, Hidden):
            frames.append(frame)
        return body

    with running(spoken, 3, tamper=watch) as ring:
        ask_together(ring, ASKED)
    assert max(len(frame.segments) for frame in frames) > 1
    assert max(frame.rows for frame in frames) <= QUICK_ENTRY.rows
    assert max(segment.rows for frame in frames for segment in frame.segments) <= QUICK_ENTRY.chunk


def test_generate__several_runs__send_the_next_micro_batch_before_the_last_returned(
    spoken: ModelSource,
) -> None:
    """Nothing returns to the entry until a second group of tokens has left it."""
    away = threading.Semaphore(0)
    both_left: list[bool] = []
    asked = [(prompt_of(1, seed=number), Sampling(max_tokens=20)) for number in range(2)]

    def watch(receiver: ShardId, body: bytes) -> bytes:
        if isinstance(decode(body), Hidden):
            if receiver == 2:
                away.release()
            elif len(both_left) < 1:
                both_left.append(away.acquire(timeout=PATIENCE) and away.acquire(timeout=PATIENCE))
        return body

    with running(spoken, 2, tamper=watch) as ring:
        assert all(isinstance(each, Generation) for each in ask_together(ring, asked))
    assert both_left == [True]


def test_generate__short_request_beside_a_long_one__is_finished_first(spoken: ModelSource) -> None:
    ended: list[str] = []
    begun = threading.Event()

    def watch(receiver: ShardId, body: bytes) -> bytes:
        if receiver == 1:
            begun.set()
        return body

    def long() -> None:
        ring.ask(prompt_of(90), 30)
        ended.append("long")

    with running(spoken, 2, tamper=watch) as ring:
        thread = threading.Thread(target=long)
        thread.start()
        assert begun.wait(PATIENCE)
        ring.ask(prompt_of(3), 2)
        ended.append("short")
        thread.join()
    assert ended == ["short", "long"]


def test_generate__long_prompt_starts__tokens_of_others_continue_between_its_chunks(
    spoken: ModelSource,
) -> None:
    """In the frames that leave the entry: tokens between the chunks of the long prompt."""
    sent: list[list[int]] = []
    talking = threading.Event()

    def watch(receiver: ShardId, body: bytes) -> bytes:
        frame = decode(body)
        if receiver == 2 and isinstance(frame, Hidden):
            sent.append([segment.rows for segment in frame.segments])
            if len(sent) > 5:
                talking.set()
        return body

    with running(spoken, 2, tamper=watch) as ring:
        other = threading.Thread(target=lambda: ring.ask(prompt_of(2), 100))
        other.start()
        assert talking.wait(PATIENCE)
        ring.ask(prompt_of(96), 1)
        other.join()
    chunks = [number for number, rows in enumerate(sent) if QUICK_ENTRY.chunk in rows]
    assert len(chunks) == 12
    between = [rows for rows in sent[chunks[0] : chunks[-1]] if 1 in rows]
    # At most as many consecutive chunks as the ring has room for while one token completes it.
    assert len(between) >= 12 // 4 - 1


def test_generate__one_of_a_step_cannot_be_computed__ends_alone(spoken: ModelSource) -> None:
    poisoned = 20 + 30 - 1
    asked = [(prompt_of(20, seed=number), Sampling(max_tokens=30 - number)) for number in range(4)]
    with running(spoken, 2) as ring:
        alone = [ring.ask(prompt, sampling=sampling).token_ids for prompt, sampling in asked]
        whole = ring.shards[1].forward

        def forward(hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
            for span in spans:
                if span.cache.capacity == poisoned and span.first > 30:
                    raise RuntimeError("canary")
            return whole(hidden, spans)

        ring.shards[1].forward = forward  # type: ignore[method-assign]
        got = ask_together(ring, asked)
        assert isinstance(got[0], StageFailed)
        assert got[0].shard_id == 2
        assert [tokens(each) for each in got[1:]] == alone[1:]
        assert eventually(lambda: is_empty(ring))


@pytest.mark.parametrize("number", [1, 2], ids=["entry", "stage"])
def test_step__fails_outside_of_any_run__ends_the_open_runs_and_continues(
    spoken: ModelSource, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with running(spoken, 2) as ring:
        part = ring.part(2) if number == 2 else ring.entry._engine
        send_batch, failing = part._send_batch, threading.Event()

        def fail_once(batch: Sequence[Any], computed: Sequence[Any]) -> None:
            if batch and not failing.is_set():
                failing.set()
                raise RuntimeError("canary")
            send_batch(batch, computed)

        monkeypatch.setattr(part, "_send_batch", fail_once)
        with pytest.raises(StageFailed) as raised:
            ring.ask(prompt_of(20))
        assert raised.value.shard_id == number
        assert eventually(lambda: is_empty(ring))
        assert ring.ask(prompt_of(20)).token_ids


def last_row_nan(frame: Hidden) -> bytes:
    return encode(frame)[:-4] + struct.pack("<f", float("nan"))


def last_out_of_place(frame: Hidden) -> bytes:
    *others, last = frame.segments
    moved = replace(last, place=replace(last.place, first_position=last.place.first_position + 1))
    return encode(replace(frame, segments=(*others, moved)))


def last_of_another_hop(frame: Hidden) -> bytes:
    *others, last = frame.segments
    moved = replace(last, place=replace(last.place, hop=last.place.hop + 1))
    return encode(replace(frame, segments=(*others, moved)))


def last_repeated(frame: Hidden) -> bytes:
    *others, last = frame.segments
    earlier = replace(last, place=replace(last.place, sequence=last.place.sequence - 1))
    return encode(replace(frame, segments=(*others, earlier)))


DAMAGES = {
    "not numbers": last_row_nan,
    "out of place": last_out_of_place,
    "of another hop": last_of_another_hop,
    "repeated": last_repeated,
}


def damaging(receiver: int, change: Callable[[Hidden], bytes]) -> Callable[..., bytes]:
    """The first frame to a shard that has several segments."""
    done: list[bool] = []

    def tamper(shard_id: ShardId, body: bytes) -> bytes:
        frame = decode(body)
        is_due = shard_id == receiver and isinstance(frame, Hidden) and len(frame.segments) > 1
        if done or not is_due:
            return body
        done.append(True)
        assert isinstance(frame, Hidden)
        return change(frame)

    return tamper


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("receiver", [1, 2, 3], ids=["entry", "stage 1", "stage 2"])
def test_generate__one_segment_is_malformed__ends_its_run_alone_and_names_the_sender(
    spoken: ModelSource, damage: str, receiver: int
) -> None:
    asked = [(prompt_of(12, seed=number), Sampling(max_tokens=40)) for number in range(6)]
    with running(spoken, 3) as quiet:
        alone = [quiet.ask(prompt, sampling=sampling).token_ids for prompt, sampling in asked]
    with running(spoken, 3, tamper=damaging(receiver, DAMAGES[damage])) as ring:
        got = ask_together(ring, asked)
        broken = [each for each in got if isinstance(each, Exception)]
        assert [type(each) for each in broken] == [StageMisbehaved]
        assert broken[0].shard_id == {2: 1, 3: 2, 1: 3}[receiver]  # type: ignore[attr-defined]
        kept = [number for number, each in enumerate(got) if isinstance(each, Generation)]
        assert [tokens(got[number]) for number in kept] == [alone[number] for number in kept]
        assert eventually(lambda: is_empty(ring))


def test_generate__frame_of_several_runs_is_cut_off__ends_those_and_serves_the_next(
    spoken: ModelSource,
) -> None:
    named: list[int] = []

    def cut(frame: Hidden) -> bytes:
        named.append(len(frame.segments))
        return encode(frame)[:-4]

    asked = [(prompt_of(12, seed=number), Sampling(max_tokens=40)) for number in range(6)]
    with running(spoken, 3, tamper=damaging(2, cut)) as ring:
        got = ask_together(ring, asked)
        broken = [each for each in got if isinstance(each, StageMisbehaved)]
        assert [each.shard_id for each in broken] == [1] * named[0]
        assert eventually(lambda: is_empty(ring))
        assert ring.ask(prompt_of(12), 40).token_ids


def test_generate__more_than_the_cache_has_room_for__wait_for_each_other(
    spoken: ModelSource,
) -> None:
    per_run = room_for(spoken, LayerRange(0, 2), 20 + 12 - 1)
    tight = replace(QUICK_ENTRY, cache_bytes=2 * per_run)
    asked = [(prompt_of(20, seed=number), Sampling(max_tokens=12)) for number in range(9)]
    used: list[int] = []
    with running(spoken, 3, entry_settings=tight) as ring:

        def look() -> bool:
            used.append(ring.entry.cache_bytes_used)
            return False

        got = ask_together(ring, asked, is_cancelled=look)
        assert all(isinstance(each, Generation) for each in got)
        assert set(used) <= {0, per_run, 2 * per_run}
        with pytest.raises(CacheFull):
            ring.ask(prompt_of(20), CONTEXT - 20)
        assert eventually(lambda: is_empty(ring))

# SPDX-License-Identifier: Apache-2.0
"""Steps that are prepared before their rows arrive.

given runs that go token by token
    when nothing else waits
        no frame but the last should reach the intake: prepared steps handle the others
    when one of several runs ends
        the others should continue together
given a frame in place of the expected one
    when it is an earlier one, or of another position or length
        its run should end as it does without a prepared step
    when it comes from another peer
        it should have no effect
given numbers that are not finite
    the run should end, and its sender be named
given a step that fails
    it should be computed again on the regular path
given a link that is full when a prepared step sends its frame
    the request should continue on a replica, and each piece of text be published once
given a run that has ended
    no prepared step should hold it
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from shard_runtime import ModelSource
from shard_runtime.backends.shard import Span
from shard_runtime.engine.prepared_step import PreparedStep
from shard_runtime.errors import LinkCongested, StageMisbehaved
from shard_runtime.links.frames import Hidden, decode, encode
from teetee.protocol.identifiers import ShardId
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.engine.test_batching import ask_together, tokens
from tests.shard_runtime.engine.test_run_life import eventually, is_empty
from tests.shard_runtime.engine.test_strangers import place_in, send_as
from tests.shard_runtime.rings import Ring, running
from tests.shard_runtime.tiny_models import prompt_of

PROMPT = prompt_of(20, seed=9)
CHUNKS = [0, 8, 16]
LATE, LAST = 24, 30
"""Positions of tokens; the first one stands at 20."""
SECOND = ShardId(2)


def read_positions(part: Any) -> list[int]:
    """The first positions of the HIDDEN frames that a part's intake reads from now on."""
    positions: list[int] = []
    read_frame = part._intake.read_frame

    def note(sender: bytes, body: bytes) -> Any:
        if isinstance(frame := decode(body), Hidden):
            positions.append(place_in(frame).first_position)
        return read_frame(sender, body)

    part._intake.read_frame = note
    return positions


class At:
    """Changes the frame with a position that goes to a shard; once."""

    def __init__(self, receiver: int, change: Callable[[Hidden], bytes]) -> None:
        self._receiver = ShardId(receiver)
        self._change = change
        self._done = False

    def __call__(self, receiver: ShardId, body: bytes) -> bytes:
        frame = decode(body)
        fits = receiver == self._receiver and isinstance(frame, Hidden) and not self._done
        if not fits or place_in(frame).first_position != LATE:  # type: ignore[arg-type]
            return body
        self._done = True
        return self._change(frame)  # type: ignore[arg-type]


@pytest.mark.parametrize("stages", [2, 3])
def test_ask__token_by_token__no_frame_but_the_last_reaches_the_intake(
    llama: ModelSource, stages: int
) -> None:
    with running(llama, stages) as ring:
        expected = ring.ask(PROMPT).token_ids
        seen = [read_positions(part) for part in (ring.entry._engine, *ring.stages)]
        assert ring.ask(PROMPT).token_ids == expected
        # The row that decides the last token is not followed by another one.
        assert seen == [[*CHUNKS, LAST], *[CHUNKS] * (stages - 1)]
        assert eventually(lambda: is_empty(ring))


def test_ask__one_of_several_ends__the_others_continue_together(
    spoken: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    compute = PreparedStep.compute

    def note(self: PreparedStep[Any]) -> bytes:
        together.append(len(self.runs))
        return compute(self)

    asked = [(prompt_of(4, seed=each), Sampling(max_tokens=12 + 8 * each)) for each in range(4)]
    with running(spoken, 2) as ring:
        alone = [ring.ask(prompt, sampling=sampling).token_ids for prompt, sampling in asked]
        monkeypatch.setattr(PreparedStep, "compute", note)
        assert [tokens(each) for each in ask_together(ring, asked)] == alone
        assert eventually(lambda: is_empty(ring))
    assert {1, 2} <= set(together)


def earlier_one(frame: Hidden) -> bytes:
    (segment,) = frame.segments
    place = segment.place
    earlier = replace(place, sequence=place.sequence - 1, first_position=place.first_position - 1)
    return encode(replace(frame, segments=(replace(segment, place=earlier),)))


def elsewhere(frame: Hidden) -> bytes:
    (segment,) = frame.segments
    moved = replace(segment.place, first_position=LATE + 1)
    return encode(replace(frame, segments=(replace(segment, place=moved),)))


def longer(frame: Hidden) -> bytes:
    (segment,) = frame.segments
    twice = memoryview(bytes(frame.data) * 2)
    return encode(replace(frame, segments=(replace(segment, rows=2),), data=twice))


def infinite(frame: Hidden) -> bytes:
    return encode(frame)[:-8] + struct.pack("<2f", float("inf"), float("-inf"))


@pytest.mark.parametrize("change", [earlier_one, elsewhere, longer, infinite])
def test_entry__late_frame_is_unexpected__ends_the_run_and_names_the_sender(
    llama: ModelSource, change: Callable[[Hidden], bytes]
) -> None:
    with running(llama, 3, tamper=At(1, change)) as ring:
        with pytest.raises(StageMisbehaved) as raised:
            ring.ask(PROMPT)
        assert raised.value.shard_id == 3
        assert eventually(lambda: is_empty(ring))
        assert len(ring.ask(PROMPT).token_ids) == 12


@pytest.mark.parametrize("change", [earlier_one, elsewhere, infinite])
def test_stage__late_frame_is_unexpected__ends_the_run_and_names_the_sender(
    llama: ModelSource, change: Callable[[Hidden], bytes]
) -> None:
    with running(llama, 3, tamper=At(3, change)) as ring:
        with pytest.raises(Exception, match="shard 2") as raised:
            ring.ask(PROMPT)
        assert raised.value.shard_id == 2  # type: ignore[attr-defined]
        assert eventually(lambda: is_empty(ring))
        assert len(ring.ask(PROMPT).token_ids) == 12


def test_stage__expected_frame_comes_from_another_peer__has_no_effect(llama: ModelSource) -> None:
    rings: list[Ring] = []

    def forge(frame: Hidden) -> bytes:
        zeros = replace(frame, data=memoryview(bytes(len(frame.data))))
        send_as("shard 3", rings[0], SECOND, zeros)
        return encode(frame)

    with running(llama, 3) as quiet:
        expected = quiet.ask(PROMPT).token_ids
    with running(llama, 3, tamper=At(2, forge)) as ring:
        rings.append(ring)
        assert ring.ask(PROMPT).token_ids == expected


@pytest.mark.parametrize("number", [1, 2], ids=["entry", "stage"])
def test_step__fails_once__is_computed_again(llama: ModelSource, number: int) -> None:
    failed: list[int] = []
    with running(llama, 2) as ring:
        expected = ring.ask(PROMPT).token_ids
        shard = ring.shards[number - 1]
        whole = shard.forward

        def forward(hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
            if spans[0].first == LATE and not failed:
                failed.append(LATE)
                raise RuntimeError("canary")
            return whole(hidden, spans)

        shard.forward = forward  # type: ignore[method-assign]
        assert ring.ask(PROMPT).token_ids == expected
        assert failed
        assert eventually(lambda: is_empty(ring))


def test_entry__link_is_full_when_a_prepared_frame_is_sent__publishes_each_piece_once(
    spoken: ModelSource,
) -> None:
    pieces: list[str] = []
    full: list[ShardId] = []
    with running(spoken, 2, copies=2) as ring:
        expected = ring.ask(PROMPT).text
        links = ring.entry._engine._links
        send_frame = links.send_frame

        def refuse(shard_id: ShardId, body: bytes, tls: bytes | None = None) -> None:
            frame = decode(body)
            if isinstance(frame, Hidden) and place_in(frame).first_position == LATE and not full:
                full.append(shard_id)
                raise LinkCongested(shard_id, 1, 1)
            send_frame(shard_id, body, tls)

        links.send_frame = refuse  # type: ignore[method-assign]
        answer = ring.ask(PROMPT, choose_path=ring.choose, on_text=pieces.append)
        assert full == [SECOND]
        assert "".join(pieces) == answer.text == expected
        assert [change.from_shards for change in answer.changes] == [(SECOND,)]
        assert eventually(lambda: is_empty(ring))


def test_run__has_ended__is_held_by_no_step(
    spoken: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[PreparedStep[Any]] = []
    matches = PreparedStep.matches

    def note(self: PreparedStep[Any], sender: bytes, body: bytes) -> bool:
        steps.append(self)
        return matches(self, sender, body)

    monkeypatch.setattr(PreparedStep, "matches", note)
    with running(spoken, 3) as ring:
        ask_together(ring, [(prompt_of(3, seed=each), Sampling(max_tokens=9)) for each in range(4)])
        assert eventually(lambda: is_empty(ring))
        assert steps
        assert all(run.prepared is None for step in steps for run in step.runs)

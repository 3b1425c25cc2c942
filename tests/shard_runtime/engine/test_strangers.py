# SPDX-License-Identifier: Apache-2.0
"""Attested peers cannot touch the runs of others.

given a run on the path 1, 2, 3
    when shard 3 sends hidden states, an end or an abort of it to shard 2, or to the entry
        it should have no effect
    when shard 3 opens a run in the name of shard 1, or of a path that it is not on
        it should be refused, without an effect on the entry
    when the opening arrives twice
        it should count once
given a run that its entry aborted before its opening arrived
    the opening should not open it
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shard_runtime import ModelSource
from shard_runtime.abort_reason import AbortReason
from shard_runtime.links.frames import (
    Abort,
    Finish,
    Frame,
    Hidden,
    NamedStage,
    Open,
    Place,
    RunId,
    decode,
    encode,
)
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.engine.test_run_life import eventually, is_empty
from tests.shard_runtime.rings import (
    MODEL_ID,
    REQUEST_ID,
    Ring,
    identity_digest,
    keys_of,
    running,
    salts_for,
)
from tests.shard_runtime.tiny_models import prompt_of

PROMPT = prompt_of(20, seed=9)
SECOND = ShardId(2)


class Meddler:
    """When the first hidden state goes to shard 2, shard 3 sends something there before it."""

    def __init__(self, receiver: int, forge: Callable[[Hidden], Frame]) -> None:
        self.ring: Ring | None = None
        self._receiver = ShardId(receiver)
        self._forge = forge
        self._done = False

    def __call__(self, shard_id: ShardId, body: bytes) -> bytes:
        frame = decode(body)
        if shard_id == SECOND and isinstance(frame, Hidden) and not self._done:
            self._done = True
            send_as("shard 3", self.ring, self._receiver, self._forge(frame))
        return body


def place_in(frame: Hidden) -> Place:
    return frame.segments[0].place


def send_as(name: str, ring: Ring | None, receiver: ShardId, frame: Frame) -> None:
    assert ring is not None
    assert ring.network is not None
    links = ring.network.started_links(keys_of(name).keyset.tls)
    assert links is not None
    links.send_frame(receiver, encode(frame))


@pytest.mark.parametrize(
    "forge",
    [
        lambda frame: replace(frame, data=memoryview(bytes(len(frame.data)))),
        lambda frame: Finish(place_in(frame), 0, ()),
        lambda frame: Abort(Place(place_in(frame).run, 0, 0, 0), AbortReason.CANCELLED, 0),
    ],
    ids=["hidden states", "end", "abort"],
)
def test_stage__frame_of_a_run_from_another_peer__does_not_matter(
    llama: ModelSource, forge: Callable[[Hidden], Frame]
) -> None:
    with running(llama, 3) as quiet:
        expected = quiet.ask(PROMPT).token_ids
    meddler = Meddler(2, forge)
    with running(llama, 3, tamper=meddler) as ring:
        meddler.ring = ring
        assert ring.ask(PROMPT).token_ids == expected
        assert eventually(lambda: is_empty(ring))


def test_entry__abort_by_a_shard_that_is_not_on_the_path__does_not_matter(
    llama: ModelSource,
) -> None:
    outsider = keys_of("an outsider").keyset.tls

    def tamper(shard_id: ShardId, body: bytes) -> bytes:
        frame = decode(body)
        if shard_id == SECOND and isinstance(frame, Hidden) and not aborted:
            aborted.append(Abort(Place(place_in(frame).run, 0, 0, 0), AbortReason.INTERNAL, 1))
            send_as("an outsider", ring, ShardId(1), aborted[0])
        return body

    aborted: list[Abort] = []
    whole = [LayerRange(0, 3), LayerRange(3, 6)]
    with running(llama, 2, tamper=tamper, splits=whole) as ring:
        assert ring.network is not None
        ring.directory.add(replace(ring.directory.find(SECOND), shard_id=ShardId(9), tls=outsider))
        ring.network.links(outsider).start(lambda *_: None, lambda _: None)
        assert len(ring.ask(PROMPT).token_ids) == 12
        assert aborted


def opening(path: tuple[int, ...], run: bytes = bytes(16)) -> Open:
    return Open(
        place=Place(RunId(run), 1, 0, 0),
        request_id=REQUEST_ID,
        model_id=MODEL_ID,
        capacity=8,
        stages=tuple(
            NamedStage(
                ShardId(number), identity_digest(number), keys_of(f"shard {number}").keyset.tls
            )
            for number in path
        ),
        salts=tuple(salts_for(len(path))[1:]),
    )


@pytest.mark.parametrize("path", [(1, 2, 3), (3, 2, 1), (9, 2, 3)], ids=str)
def test_stage__opened_by_another_than_the_stage_before__opens_nothing(
    llama: ModelSource, path: tuple[int, ...]
) -> None:
    with running(llama, 3) as ring:
        send_as("shard 3", ring, SECOND, opening(path))
        assert len(ring.ask(PROMPT).token_ids) == 12  # went through after it
        assert [stage.open_runs for stage in ring.stages] == [0, 0]
        assert is_empty(ring)


@pytest.mark.parametrize(
    "changes",
    [{"model_id": 99}, {"capacity": 129}, {"capacity": 2**32 - 1}],
    ids=["another model", "beyond the context", "huge"],
)
def test_stage__opening_that_it_cannot_serve__opens_nothing(
    llama: ModelSource, changes: dict[str, int]
) -> None:
    with running(llama, 3) as ring:
        send_as("shard 1", ring, SECOND, replace(opening((1, 2, 3)), **changes))  # type: ignore[arg-type]
        assert len(ring.ask(PROMPT).token_ids) == 12
        assert is_empty(ring)


def test_stage__opened_twice__counts_once(llama: ModelSource) -> None:
    with running(llama, 3) as ring:
        for _ in range(2):
            send_as("shard 1", ring, SECOND, opening((1, 2, 3)))
        assert eventually(lambda: [stage.open_runs for stage in ring.stages] == [1, 1])
        end = Abort(Place(RunId(bytes(16)), 0, 0, 0), AbortReason.CANCELLED, 0)
        send_as("shard 1", ring, SECOND, end)
        send_as("shard 1", ring, ShardId(3), end)
        assert eventually(lambda: is_empty(ring))


def test_stage__abort_by_a_stranger_before_the_opening__does_not_matter(
    llama: ModelSource,
) -> None:
    with running(llama, 3) as ring:
        end = Abort(Place(RunId(bytes(16)), 0, 0, 0), AbortReason.CANCELLED, 0)
        send_as("shard 3", ring, SECOND, end)
        send_as("shard 1", ring, SECOND, opening((1, 2, 3)))
        assert eventually(lambda: [stage.open_runs for stage in ring.stages] == [1, 1])
        for shard_id in (SECOND, ShardId(3)):
            send_as("shard 1", ring, shard_id, end)
        assert eventually(lambda: is_empty(ring))


def test_stage__abort_before_the_opening__keeps_the_run_closed(llama: ModelSource) -> None:
    with running(llama, 3) as ring:
        end = Abort(Place(RunId(bytes(16)), 0, 0, 0), AbortReason.CANCELLED, 0)
        send_as("shard 1", ring, SECOND, end)
        send_as("shard 1", ring, SECOND, opening((1, 2, 3)))
        assert len(ring.ask(PROMPT).token_ids) == 12
        assert [stage.open_runs for stage in ring.stages] == [0, 0]

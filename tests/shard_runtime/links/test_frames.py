# SPDX-License-Identifier: Apache-2.0
"""Frames: one encoding, and any malformed body raises FrameInvalid.

given any frame
    when it is encoded and decoded
        it should be the same
given a heartbeat and its answer
    when they are encoded
        the bytes should be those in docs/protocol.md section 7
given bytes of any kind, or a frame with one byte changed, cut off or lengthened
    when they are decoded
        it should give a frame that encodes to those bytes, or raise FrameInvalid
given a frame with content
    when it is shown
        it should not show the content
"""

import struct
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import FrameInvalid
from shard_runtime.links.frames import (
    MAX_REPORTED_RUNS,
    MAX_ROWS,
    Abort,
    Alive,
    Finish,
    Frame,
    Heartbeat,
    Hidden,
    Kind,
    Load,
    NamedStage,
    Open,
    Place,
    RunId,
    RunProgress,
    Segment,
    decode,
    encode,
    kind_of,
    max_frame_bytes,
    places_of,
    run_of,
)
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import SignedReceipt, StageReceipt

U16 = st.integers(0, 2**16 - 1)
U32 = st.integers(0, 2**32 - 1)
BYTES32 = st.binary(min_size=32, max_size=32)


def places(hops: st.SearchStrategy[int] = U16) -> st.SearchStrategy[Place]:
    run = st.binary(min_size=16, max_size=16).map(RunId)
    return st.builds(Place, run, hops, U32, U32)


@st.composite
def opens(draw: st.DrawFn) -> Open:
    stages = draw(st.integers(2, 6))
    hop = draw(st.integers(1, stages - 1))
    count = stages - hop + 1
    return Open(
        place=draw(places(st.just(hop))),
        request_id=RequestId(draw(st.integers(0, 2**256 - 1))),
        model_id=ModelId(draw(U32)),
        capacity=draw(st.integers(1, 2**32 - 1)),
        stages=tuple(
            NamedStage(ShardId(draw(U32)), draw(BYTES32), draw(BYTES32)) for _ in range(stages)
        ),
        salts=tuple(draw(BYTES32) for _ in range(count)),
    )


@st.composite
def hiddens(draw: st.DrawFn) -> Hidden:
    found = draw(st.lists(places(), min_size=1, max_size=4, unique_by=lambda place: place.run))
    segments = tuple(Segment(place, draw(st.integers(1, 4))) for place in found)
    width = draw(st.integers(1, 5))
    size = sum(segment.rows for segment in segments) * width * 4
    data = draw(st.binary(min_size=size, max_size=size))
    return Hidden(segments, width, memoryview(data))


@st.composite
def receipts(draw: st.DrawFn) -> SignedReceipt:
    first = draw(st.integers(0, 2**16 - 2))
    receipt = StageReceipt(
        request_id=RequestId(draw(st.integers(0, 2**256 - 1))),
        model_id=ModelId(draw(U32)),
        shard_id=ShardId(draw(U32)),
        layers=LayerRange(first, draw(st.integers(first + 1, 2**16 - 1))),
        identity_digest=draw(BYTES32),
        first_position=draw(U32),
        end_position=draw(U32),
        input_commitment=draw(BYTES32),
        output_commitment=draw(BYTES32),
        previous_receipt=draw(BYTES32),
    )
    return SignedReceipt(receipt, draw(BYTES32), draw(BYTES32))


finishes = st.builds(Finish, places(), U32, st.lists(receipts(), max_size=3).map(tuple))
aborts = st.builds(Abort, places(), st.sampled_from(AbortReason), st.integers(0, 2**16 - 1))
heartbeats = st.builds(Heartbeat, U32, U32.map(ShardId))
loads = st.builds(Load, U32, U32, U32, U32, U32)
runs = st.builds(RunProgress, st.binary(min_size=16, max_size=16).map(RunId), U32, U32)
answers = st.builds(
    Alive, U32, U32.map(ShardId), loads, st.lists(runs, max_size=MAX_REPORTED_RUNS).map(tuple)
)
of_runs = st.one_of(opens(), hiddens(), finishes, aborts)
frames = st.one_of(of_runs, heartbeats, answers)

A_PLACE = Place(RunId(bytes(16)), 1, 1, 0)
ANOTHER = Place(RunId(b"another run 1234"), 2, 7, 9)
A_HIDDEN = Hidden((Segment(A_PLACE, 2),), 3, memoryview(bytes(24)))


def places_in(frame: Frame) -> tuple[Place, ...]:
    if isinstance(frame, Hidden):
        return tuple(segment.place for segment in frame.segments)
    return () if isinstance(frame, Heartbeat | Alive) else (frame.place,)


@given(frames)
def test_decode__what_encode_made__is_the_same_frame(frame: Frame) -> None:
    body = encode(frame)
    assert decode(body) == frame
    assert places_of(body) == places_in(frame)
    assert (kind_of(body) == Kind.ABORT) == isinstance(frame, Abort)
    width = frame.width if isinstance(frame, Hidden) else 1
    assert len(body) <= max_frame_bytes(Kind(kind_of(body)), width)
    if not isinstance(frame, Hidden | Heartbeat | Alive):
        assert run_of(body) == frame.place.run


def test_h10__longest_frame_of_each_control_kind__is_small() -> None:
    sizes = {kind: max_frame_bytes(kind, 16_384) for kind in Kind}
    assert sizes.pop(Kind.HIDDEN) > 32 << 20
    assert max(sizes.values()) < 20 << 10
    assert sizes[Kind.ABORT] + sizes[Kind.HEARTBEAT] < 64


@pytest.mark.parametrize(
    ("frame", "body"),
    [
        (Heartbeat(7, ShardId(1)), "01 05 00000007 00000001"),
        (
            Alive(7, ShardId(2), Load(3, 66, 258, 25_000, 2**32 - 1)),
            "01 06 00000007 00000002 00000003 00000042 00000102 000061a8 ffffffff 00",
        ),
        (
            Alive(7, ShardId(2), Load(), (RunProgress(RunId(b"r" * 16), 9, 8),)),
            f"01 06 00000007 00000002 {'00' * 20} 01 {'72' * 16} 00000009 00000008",
        ),
    ],
    ids=["HEARTBEAT", "ALIVE", "ALIVE with a run"],
)
def test_encode__heartbeat_or_answer__is_what_the_protocol_says(frame: Frame, body: str) -> None:
    assert encode(frame) == bytes.fromhex(body)


@given(st.binary(max_size=300))
def test_decode__any_bytes__give_a_frame_or_frame_invalid(body: bytes) -> None:
    with suppress(FrameInvalid):
        assert encode(decode(body)) == body


@given(frames, st.data())
def test_decode__one_byte_changed__gives_another_frame_or_frame_invalid(
    frame: Frame, data: st.DataObject
) -> None:
    body = bytearray(encode(frame))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    with suppress(FrameInvalid):
        assert decode(bytes(body)) != frame


@given(frames, st.integers(1, 40))
def test_decode__cut_off_or_lengthened__raises_frame_invalid(frame: Frame, count: int) -> None:
    body = encode(frame)
    with pytest.raises(FrameInvalid):
        decode(body[:-count])
    with pytest.raises(FrameInvalid):
        decode(body + bytes(count))


def garbled(count: int, width: int, *rows: int) -> bytes:
    """A body that announces what it has not."""
    heads = (
        struct.pack(">H16sIII", 1, bytes([number]) * 16, 1, 0, each)
        for number, each in enumerate(rows)
    )
    return b"\x01\x02" + struct.pack(">HI", count, width) + b"".join(heads) + bytes(24)


@pytest.mark.parametrize(
    "body",
    [
        garbled(2**16 - 1, 2**32 - 1, 2),
        garbled(1, 2**32 - 1, 2**32 - 1),
        garbled(0, 3),
        garbled(1, 3, 0),
        garbled(1, 0, 3),
        garbled(1, 1, MAX_ROWS + 1),
        garbled(2, 1, MAX_ROWS, 1),
        garbled(1, 2**30, 1),
        garbled(2, 3, 2),
    ],
    ids=[
        "many segments",
        "huge",
        "no segments",
        "no rows",
        "no width",
        "too many rows",
        "too many rows together",
        "width without bytes",
        "a segment without head",
    ],
)
def test_decode__shape_that_the_bytes_do_not_have__raises_without_allocating(body: bytes) -> None:
    with pytest.raises(FrameInvalid):
        decode(body)


def test_decode__as_many_rows_as_may_be__is_taken() -> None:
    data = memoryview(bytes(MAX_ROWS * 4))
    frame = Hidden((Segment(A_PLACE, MAX_ROWS - 1), Segment(ANOTHER, 1)), 1, data)
    assert decode(encode(frame)) == frame


def test_decode__two_segments_of_one_run__are_refused_and_both_named() -> None:
    again = replace(A_PLACE, sequence=2, first_position=1)
    body = encode(Hidden((Segment(A_PLACE, 1), Segment(again, 1)), 3, memoryview(bytes(24))))
    with pytest.raises(FrameInvalid, match="two segments of one run"):
        decode(body)
    assert places_of(body) == (A_PLACE, again)


def test_pieces__several_segments__give_each_its_rows_and_bytes() -> None:
    data = bytes(range(36))
    frame = Hidden((Segment(A_PLACE, 1), Segment(ANOTHER, 2)), 3, memoryview(data))
    assert list(frame.pieces()) == [
        (Segment(A_PLACE, 1), slice(0, 1), data[:12]),
        (Segment(ANOTHER, 2), slice(1, 3), data[12:]),
    ]


def test_places_of__frame_cut_off_within_its_second_segment__names_the_first() -> None:
    body = encode(Hidden((Segment(A_PLACE, 1), Segment(ANOTHER, 1)), 3, memoryview(bytes(24))))
    assert places_of(body[: 8 + 30 + 10]) == (A_PLACE,)


def test_decode__other_version__names_it() -> None:
    body = b"\x02" + encode(A_HIDDEN)[1:]
    with pytest.raises(FrameInvalid, match="has version 2 instead of 1"):
        decode(body)


def test_repr__frame_with_content__shows_none() -> None:
    content = b"canary-canary-canary-can"
    shown = repr(replace(A_HIDDEN, data=memoryview(content)))
    assert "canary" not in shown
    assert "memory" not in shown

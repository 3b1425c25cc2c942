"""Frames: one encoding, and nothing that a peer sends can do more than be refused.

given any frame
    when it is encoded and decoded
        it should be the same
given bytes of any kind, or a frame with one byte changed, cut off or lengthened
    when they are decoded
        it should give a frame that encodes to those bytes, or raise FrameInvalid
given a frame with content
    when it is shown
        it should not show the content
"""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard_runtime.errors import FrameInvalid
from shard_runtime.faults import Fault
from shard_runtime.frames import (
    Abort,
    Finish,
    Frame,
    Hidden,
    Open,
    Place,
    RunId,
    decode,
    encode,
    is_abort,
    place_of,
)
from teetee.identifiers import ModelId, RequestId, ShardId
from teetee.layers import LayerRange
from teetee.receipts import SignedReceipt, StageReceipt

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
        path=tuple(ShardId(draw(U32)) for _ in range(stages)),
        salts=tuple(draw(BYTES32) for _ in range(count)),
    )


@st.composite
def hiddens(draw: st.DrawFn) -> Hidden:
    rows, width = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    data = draw(st.binary(min_size=rows * width * 4, max_size=rows * width * 4))
    return Hidden(draw(places()), rows, width, memoryview(data))


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
aborts = st.builds(Abort, places(), st.sampled_from(Fault), st.integers(0, 2**16 - 1))
frames = st.one_of(opens(), hiddens(), finishes, aborts)

A_HIDDEN = Hidden(Place(RunId(bytes(16)), 1, 1, 0), 2, 3, memoryview(bytes(24)))


@given(frames)
def test_decode__what_encode_made__is_the_same_frame(frame: Frame) -> None:
    body = encode(frame)
    assert decode(body) == frame
    assert place_of(body) == frame.place
    assert is_abort(body) == isinstance(frame, Abort)


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


@pytest.mark.parametrize(
    ("rows", "width"),
    [(2**32 - 1, 2**32 - 1), (0, 3), (3, 0), (4097, 1), (1, 2**30)],
    ids=["huge", "no rows", "no width", "too many rows", "width without bytes"],
)
def test_decode__shape_that_the_bytes_do_not_have__raises_without_allocating(
    rows: int, width: int
) -> None:
    body = encode(A_HIDDEN)[:28] + struct.pack(">II", rows, width)
    with pytest.raises(FrameInvalid):
        decode(body)


def test_decode__other_version__names_it() -> None:
    body = b"\x02" + encode(A_HIDDEN)[1:]
    with pytest.raises(FrameInvalid, match="has version 2, and 1 is known"):
        decode(body)


def test_repr__frame_with_content__shows_none() -> None:
    content = b"canary-canary-canary-can"
    shown = repr(Hidden(A_HIDDEN.place, 2, 3, memoryview(content)))
    assert "canary" not in shown
    assert "memory" not in shown

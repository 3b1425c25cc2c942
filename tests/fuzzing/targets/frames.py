# SPDX-License-Identifier: Apache-2.0
"""Frames on links between stages: bodies from another enclave, or from a host that has its key."""

from collections.abc import Mapping

from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import FrameInvalid
from shard_runtime.links.frames import (
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
    first_run_of,
    kind_of,
    max_frame_bytes,
    places_of,
    run_of,
)
from shard_runtime.links.hidden_states import check_finite, split_segments
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import SignedReceipt, StageReceipt
from tests.fuzzing.target import Target


def run(body: bytes) -> None:
    """A frame has one encoding, whose places can also be read without the rest."""
    places, kind = places_of(body), kind_of(body)
    run_of(body)
    first_run_of(body)
    frame = decode(body)
    assert encode(frame) == body
    assert places == _places_in(frame)
    width = frame.width if isinstance(frame, Hidden) else 0
    assert len(body) <= max_frame_bytes(Kind(kind), width)
    if isinstance(frame, Hidden):
        for segment, rows, data in split_segments(frame, width):
            assert rows.shape == (segment.rows, width)
            assert len(data) == rows.numel() * rows.element_size()
            check_finite(rows)


def seeds() -> Mapping[str, bytes]:
    """A frame of each kind."""
    place = Place(RunId(b"r" * 16), 1, 0, 0)
    stages = tuple(NamedStage(ShardId(n), bytes([n]) * 32, bytes([n + 9]) * 32) for n in (1, 2, 3))
    other = Place(RunId(b"s" * 16), 1, 4, 17)
    receipt = StageReceipt(
        request_id=RequestId(77),
        model_id=ModelId(1),
        shard_id=ShardId(2),
        layers=LayerRange(0, 4),
        identity_digest=b"i" * 32,
        first_position=0,
        end_position=9,
        input_commitment=b"a" * 32,
        output_commitment=b"b" * 32,
        previous_receipt=b"c" * 32,
    )
    frames: dict[str, Frame] = {
        "open": Open(place, RequestId(77), ModelId(1), 64, stages, (b"x" * 32,) * 3),
        "hidden": Hidden((Segment(place, 2),), 3, memoryview(bytes(24))),
        "hidden-two-runs": Hidden((Segment(place, 1), Segment(other, 1)), 2, memoryview(bytes(16))),
        "finish": Finish(place, 9, (SignedReceipt(receipt, b"r" * 32, b"v" * 32),) * 2),
        "abort": Abort(place, AbortReason.NOT_FINITE, 1),
        "heartbeat": Heartbeat(5, ShardId(1)),
        "alive": Alive(5, ShardId(2), Load(1, 2, 3, 4, 5), (RunProgress(place.run, 9, 8),)),
    }
    return {name: encode(frame) for name, frame in frames.items()}


def _places_in(frame: Frame) -> tuple[Place, ...]:
    if isinstance(frame, Hidden):
        return tuple(segment.place for segment in frame.segments)
    return () if isinstance(frame, Heartbeat | Alive) else (frame.place,)


TARGET = Target(
    name="frames",
    summary="frames on links: shard_runtime/links/frames.py, hidden_states.py",
    run=run,
    errors=(FrameInvalid,),
    seeds=seeds,
    words=(
        *(bytes([1, kind]) for kind in Kind),
        *(n.to_bytes(4) for n in (1, 512, 513, (1 << 32) - 1)),
    ),
)

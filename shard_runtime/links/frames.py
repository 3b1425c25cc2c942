# SPDX-License-Identifier: Apache-2.0
"""The frames on links between stages, and their encoding. docs/protocol.md section 7.

Bytes in, values out: the run's holder checks whether a frame is expected, and from that sender.
Reprs show no content.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NewType

from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import FrameInvalid
from shard_runtime.links.receipt_encoding import RECEIPT_BYTES, decode_receipts, encode_receipts
from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.receipts import SignedReceipt

RunId = NewType("RunId", bytes)
"""16 random bytes that the entry draws for each attempt at a request on a path."""

MAX_STAGES = 64
MAX_REPORTED_RUNS = 64
MAX_ROWS = 512
"""Positions in one frame, over all its segments."""

FLOAT_BYTES = 4
"""Size of one number of a row."""

_VERSION = 1
VERSION = bytes([_VERSION])
"""The first byte of every body."""
_START = struct.Struct(">BB")
_PLACE = struct.Struct(">H16sII")
_OPEN = struct.Struct(">32sIIB")
_HIDDEN = struct.Struct(">HI")
_ROWS = struct.Struct(">I")
_SEGMENT_BYTES = _PLACE.size + _ROWS.size
_FINISH = struct.Struct(">IB")
_ABORT = struct.Struct(">BH")
_HEARTBEAT = struct.Struct(">II")
_ALIVE = struct.Struct(">IIIIIII")
_PROGRESS = struct.Struct(">16sII")
_FIRST_RUN = _START.size + _HIDDEN.size + 2
_RUN = _START.size + 2
_RUN_BYTES = 16
_SALT_BYTES = 32
_STAGE = struct.Struct(">I32s32s")


class Kind(IntEnum):
    """Values are protocol."""

    OPEN = 1
    HIDDEN = 2
    FINISH = 3
    ABORT = 4
    HEARTBEAT = 5
    ALIVE = 6


@dataclass(frozen=True, slots=True)
class Place:
    """A frame's place in its run: every frame and segment of a run has one."""

    run: RunId
    hop: int
    """Hop h leads from stage h-1 to stage h; the last one back to the entry. 0 in an ABORT."""
    sequence: int
    """Counts the run's frames on this hop. OPEN is 0, and is not sent on the last hop."""
    first_position: int


@dataclass(frozen=True, slots=True)
class NamedStage:
    """A stage of a path as the run's entry knows it: shard, attested identity, TLS key."""

    shard_id: ShardId
    identity_digest: bytes
    tls: bytes


@dataclass(frozen=True, slots=True)
class Open:
    """Opens a run: its request and model, its path, how many positions it may have."""

    place: Place
    request_id: RequestId
    model_id: ModelId
    capacity: int
    stages: tuple[NamedStage, ...]
    """In path order, the entry first."""
    salts: tuple[bytes, ...] = field(repr=False)
    """For the hops from `place.hop` to the last."""

    @property
    def path(self) -> tuple[ShardId, ...]:
        """The shards, in path order."""
        return tuple(stage.shard_id for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive positions of one run, from `place.first_position` on."""

    place: Place
    rows: int


@dataclass(frozen=True, slots=True)
class Hidden:
    """Hidden states of positions of one or several runs, each run once."""

    segments: tuple[Segment, ...]
    width: int
    data: memoryview = field(repr=False)
    """The rows of all segments in order, `width` float32 each, little-endian."""

    @property
    def rows(self) -> int:
        """Positions, over all segments."""
        return sum(segment.rows for segment in self.segments)

    def pieces(self) -> Iterator[tuple[Segment, slice, bytes]]:
        """Each segment, the slice of its rows within the frame, and their bytes."""
        begin, row_bytes = 0, self.width * FLOAT_BYTES
        for segment in self.segments:
            end = begin + segment.rows
            yield segment, slice(begin, end), bytes(self.data[begin * row_bytes : end * row_bytes])
            begin = end


@dataclass(frozen=True, slots=True)
class Finish:
    """Ends a run: no more positions follow, and each stage adds its receipt."""

    place: Place
    end_position: int
    receipts: tuple[SignedReceipt, ...] = field(repr=False)
    """In path order, from the entry's to the sender's."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Aborts a run: sent by the entry to every stage, or by a stage to the entry."""

    place: Place
    reason: AbortReason
    stage: int
    """The stage that caused it."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An entry's question to a stage of a running path whether it is alive. Belongs to no run."""

    number: int
    shard_id: ShardId
    """The entry's, to which the answer goes."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a stage reports with every answer: counts and times, nothing of any run."""

    runs: int = 0
    """Open runs of all entries."""
    waiting: int = 0
    """Frames and rows that were received and not computed yet, including those in work."""
    turns: int = 0
    """Steps of its computing thread, modulo 2^32. If the count stays the same for much longer than
    the longest step while something waits, the thread hangs."""
    step_microseconds: int = 0
    """A running mean."""
    longest_microseconds: int = 0
    """The longest step; 0 if unknown, 2^32 - 1 for that or more."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How many positions of a run a stage has received and sent."""

    run: RunId
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class Alive:
    """A stage's answer to a heartbeat."""

    number: int
    shard_id: ShardId
    """The answering stage's."""
    load: Load
    runs: tuple[RunProgress, ...] = ()
    """The asking entry's, at most `MAX_REPORTED_RUNS`."""


Frame = Open | Hidden | Finish | Abort | Heartbeat | Alive


def encode(frame: Frame) -> bytes:
    """The frame as the body of a message."""
    if isinstance(frame, Open):
        return b"".join((_encode_start(Kind.OPEN), _encode_place(frame.place), *_open_parts(frame)))
    if isinstance(frame, Hidden):
        shape = _HIDDEN.pack(len(frame.segments), frame.width)
        heads = (_encode_place(each.place) + _ROWS.pack(each.rows) for each in frame.segments)
        return b"".join((_encode_start(Kind.HIDDEN), shape, *heads, frame.data))
    if isinstance(frame, Finish):
        head = _FINISH.pack(frame.end_position, len(frame.receipts))
        receipts = encode_receipts(frame.receipts)
        return b"".join((_encode_start(Kind.FINISH), _encode_place(frame.place), head, receipts))
    if isinstance(frame, Abort):
        reason = _ABORT.pack(frame.reason, frame.stage)
        return b"".join((_encode_start(Kind.ABORT), _encode_place(frame.place), reason))
    if isinstance(frame, Heartbeat):
        return _encode_start(Kind.HEARTBEAT) + _HEARTBEAT.pack(frame.number, frame.shard_id)
    load = frame.load
    counts = (load.runs, load.waiting, load.turns)
    steps = (load.step_microseconds, load.longest_microseconds)
    head = _ALIVE.pack(frame.number, frame.shard_id, *counts, *steps)
    runs = (_PROGRESS.pack(each.run, each.received, each.sent) for each in frame.runs)
    return b"".join((_encode_start(Kind.ALIVE), head, bytes([len(frame.runs)]), *runs))


def decode(body: bytes) -> Frame:
    """The frame that a body holds. Raises `FrameInvalid`."""
    try:
        version, kind = _START.unpack_from(body)
        if version != _VERSION:
            raise FrameInvalid(f"has version {version} instead of {_VERSION}")
        return _DECODERS[Kind(kind)](memoryview(body)[_START.size :])
    except (struct.error, ValueError, IndexError, FieldInvalid):
        raise FrameInvalid("is cut off, or has a field out of bounds") from None


def kind_of(body: bytes) -> int:
    """The kind of a frame, from its body alone; 0 if the body is too short."""
    return body[1] if len(body) > 1 else 0


def first_run_of(body: bytes) -> RunId:
    """The first run that a HIDDEN body names; arbitrary bytes for another kind."""
    return RunId(body[_FIRST_RUN : _FIRST_RUN + _RUN_BYTES])


def run_of(body: bytes) -> RunId:
    """The run that an OPEN, FINISH or ABORT body names; arbitrary bytes for another kind."""
    return RunId(body[_RUN : _RUN + _RUN_BYTES])


def max_frame_bytes(kind: Kind, width: int) -> int:
    """The longest body of a kind, with rows of `width` numbers."""
    if kind == Kind.HIDDEN:
        rows = MAX_ROWS * (_SEGMENT_BYTES + width * FLOAT_BYTES)
        return _START.size + _HIDDEN.size + rows
    if kind == Kind.HEARTBEAT:
        return _START.size + _HEARTBEAT.size
    if kind == Kind.ALIVE:
        return _START.size + _ALIVE.size + 1 + MAX_REPORTED_RUNS * _PROGRESS.size
    rest = {
        Kind.OPEN: _OPEN.size + MAX_STAGES * _STAGE.size + 1 + (MAX_STAGES + 1) * _SALT_BYTES,
        Kind.FINISH: _FINISH.size + MAX_STAGES * RECEIPT_BYTES,
        Kind.ABORT: _ABORT.size,
    }
    return _START.size + _PLACE.size + rest[kind]


def places_of(body: bytes) -> tuple[Place, ...]:
    """The places that a body names, as many as are readable, even if the rest is malformed."""
    if kind_of(body) == Kind.HIDDEN:
        if len(body) < _START.size + _HIDDEN.size:
            return ()
        count, _ = _HIDDEN.unpack_from(body, _START.size)
        first = _START.size + _HIDDEN.size
        whole = (len(body) - first) // _SEGMENT_BYTES
        starts = (first + number * _SEGMENT_BYTES for number in range(min(count, whole)))
        return tuple(_decode_place(body, start) for start in starts)
    if kind_of(body) in _PLACELESS or len(body) < _START.size + _PLACE.size:
        return ()
    return (_decode_place(body, _START.size),)


_PLACELESS = frozenset({0, Kind.HEARTBEAT, Kind.ALIVE})


def _encode_start(kind: Kind) -> bytes:
    return _START.pack(_VERSION, kind)


def _encode_place(place: Place) -> bytes:
    return _PLACE.pack(place.hop, place.run, place.sequence, place.first_position)


def _decode_place(body: bytes | memoryview, start: int) -> Place:
    hop, run, sequence, first = _PLACE.unpack_from(body, start)
    return Place(RunId(run), hop, sequence, first)


def _open_parts(frame: Open) -> list[bytes]:
    request_id = frame.request_id.to_bytes(32)
    return [
        _OPEN.pack(request_id, frame.model_id, frame.capacity, len(frame.stages)),
        *(_STAGE.pack(each.shard_id, each.identity_digest, each.tls) for each in frame.stages),
        bytes([len(frame.salts)]),
        *frame.salts,
    ]


def _decode_open(rest: memoryview) -> Open:
    place, payload = _decode_place(rest, 0), rest[_PLACE.size :]
    request_id, model_id, capacity, stages = _OPEN.unpack_from(payload)
    start = _OPEN.size + _STAGE.size * stages
    named = tuple(_STAGE.iter_unpack(payload[_OPEN.size : start]))
    count = payload[start : start + 1].tobytes()
    salts = bytes(payload[start + 1 :])
    if (
        len(named) != stages
        or not 1 <= stages <= MAX_STAGES
        or capacity < 1
        or not 1 <= place.hop < stages
    ):
        raise FrameInvalid("opens a run without positions, or with a place outside its path")
    expected = stages - place.hop + 1
    if count != bytes([expected]) or len(salts) != expected * _SALT_BYTES:
        raise FrameInvalid("does not have the salts of the following hops")
    return Open(
        place=place,
        request_id=RequestId(int.from_bytes(request_id)),
        model_id=ModelId(model_id),
        capacity=capacity,
        stages=tuple(NamedStage(ShardId(shard_id), *keys) for shard_id, *keys in named),
        salts=tuple(
            salts[start : start + _SALT_BYTES] for start in range(0, len(salts), _SALT_BYTES)
        ),
    )


def _decode_hidden(rest: memoryview) -> Hidden:
    count, width = _HIDDEN.unpack_from(rest)
    if not 1 <= count <= MAX_ROWS or width < 1:
        raise FrameInvalid(f"has {count} segments of rows of {width} numbers")
    segments = tuple(
        _decode_segment(rest, _HIDDEN.size + number * _SEGMENT_BYTES) for number in range(count)
    )
    data = rest[_HIDDEN.size + count * _SEGMENT_BYTES :]
    frame = Hidden(segments, width, data)
    rows = frame.rows
    if rows > MAX_ROWS or len(data) != rows * width * FLOAT_BYTES:
        raise FrameInvalid(f"has {len(data)} bytes for {rows} rows of {width} numbers")
    if count > 1 and len({segment.place.run for segment in segments}) != count:
        raise FrameInvalid("has two segments of one run")
    return frame


def _decode_segment(rest: memoryview, start: int) -> Segment:
    (rows,) = _ROWS.unpack_from(rest, start + _PLACE.size)
    if rows < 1:
        raise FrameInvalid("has a segment without rows")
    return Segment(_decode_place(rest, start), rows)


def _decode_finish(rest: memoryview) -> Finish:
    end_position, count = _FINISH.unpack_from(rest, _PLACE.size)
    encoded = rest[_PLACE.size + _FINISH.size :]
    if count > MAX_STAGES or len(encoded) != count * RECEIPT_BYTES:
        raise FrameInvalid(f"has {len(encoded)} bytes for {count} receipts")
    return Finish(_decode_place(rest, 0), end_position, decode_receipts(encoded))


def _decode_abort(rest: memoryview) -> Abort:
    reason, stage = _ABORT.unpack(rest[_PLACE.size :])
    return Abort(_decode_place(rest, 0), AbortReason(reason), stage)


def _decode_heartbeat(rest: memoryview) -> Heartbeat:
    number, shard_id = _HEARTBEAT.unpack(rest)
    return Heartbeat(number, ShardId(shard_id))


def _decode_alive(rest: memoryview) -> Alive:
    number, shard_id, *counts = _ALIVE.unpack_from(rest)
    count, encoded = rest[_ALIVE.size], rest[_ALIVE.size + 1 :]
    runs = tuple(
        RunProgress(RunId(run), *positions) for run, *positions in _PROGRESS.iter_unpack(encoded)
    )
    if len(runs) != count or count > MAX_REPORTED_RUNS:
        raise FrameInvalid(f"reports {len(runs)} runs, and says {count}")
    return Alive(number, ShardId(shard_id), Load(*counts), runs)


_DECODERS: dict[Kind, Callable[[memoryview], Frame]] = {
    Kind.OPEN: _decode_open,
    Kind.HIDDEN: _decode_hidden,
    Kind.FINISH: _decode_finish,
    Kind.ABORT: _decode_abort,
    Kind.HEARTBEAT: _decode_heartbeat,
    Kind.ALIVE: _decode_alive,
}

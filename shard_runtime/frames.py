"""Everything that travels on a link between stages, and its one encoding. docs/protocol.md section
7.

    body   = u8 version=1 ‖ u8 kind ‖ u16 hop ‖ run 16 ‖ u32 sequence ‖ u32 first position ‖ payload
    OPEN   = u256 requestId ‖ u32 modelId ‖ u32 capacity ‖ u8 n ‖ n × u32 shardId ‖
             u8 s ‖ s × salt 32
    HIDDEN = u32 rows ‖ u32 width ‖ rows × width × float32 little-endian
    FINISH = u32 end position ‖ u8 r ‖ r × signed receipt
    ABORT  = u8 fault ‖ u16 stage
    BATCH  = u16 n ‖ n × (u32 length ‖ body of a HIDDEN); its own run and position are zero
    PING   = u32 shardId of who asks; its run is a number to be given back
    PONG   = u32 shardId of who answers

Bytes in, values out: whether a frame is due, and from whom, is decided by who holds the run. Reprs
show no content.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NewType

from shard_runtime.errors import FrameInvalid
from shard_runtime.faults import Fault
from teetee.errors import FieldInvalid
from teetee.identifiers import ModelId, RequestId, ShardId
from teetee.layers import LayerRange
from teetee.receipts import SignedReceipt, StageReceipt

RunId = NewType("RunId", bytes)
"""16 random bytes, drawn by the entry for one attempt at one request on one path."""

MAX_STAGES = 64
MAX_ROWS = 4096
"""Positions in one HIDDEN."""
MAX_MEMBERS = 1024
"""Runs in one BATCH."""

_VERSION = 1
_HEADER = struct.Struct(">BBH16sII")
_OPEN = struct.Struct(">32sIIB")
_HIDDEN = struct.Struct(">II")
_FINISH = struct.Struct(">IB")
_ABORT = struct.Struct(">BH")
_BATCH = struct.Struct(">H")
_LENGTH = struct.Struct(">I")
_BEAT = struct.Struct(">I")
_RECEIPT = struct.Struct(">32sIIHH32sII32s32s32s32s32s")
_SALT_BYTES = 32
_FLOAT_BYTES = 4


class Kind(IntEnum):
    """Values are protocol."""

    OPEN = 1
    HIDDEN = 2
    FINISH = 3
    ABORT = 4
    BATCH = 5
    PING = 6
    PONG = 7


@dataclass(frozen=True, slots=True)
class Place:
    """Which frame of which run: what every frame carries."""

    run: RunId
    hop: int
    """h leads from stage h-1 to stage h; the last one returns to the entry. Of an ABORT: 0."""
    sequence: int
    """Counts the frames of this run on this hop; OPEN is 0 and is not sent on the last hop."""
    first_position: int


@dataclass(frozen=True, slots=True)
class Open:
    """A run begins: what it belongs to, its path, how many positions it may fill."""

    place: Place
    request_id: RequestId
    model_id: ModelId
    capacity: int
    path: tuple[ShardId, ...]
    salts: tuple[bytes, ...] = field(repr=False)
    """For the hops from `place.hop` to the last."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Hidden states of some positions."""

    place: Place
    rows: int
    width: int
    data: memoryview = field(repr=False)
    """rows × width float32, little-endian."""


@dataclass(frozen=True, slots=True)
class Finish:
    """No more positions; each stage adds its receipt."""

    place: Place
    end_position: int
    receipts: tuple[SignedReceipt, ...] = field(repr=False)
    """In path order, from the entry's to the sender's."""


@dataclass(frozen=True, slots=True)
class Abort:
    """The run is given up: by the entry to every stage, or by a stage to the entry."""

    place: Place
    fault: Fault
    stage: int
    """The stage to which the fault is put down."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of several runs that were computed together, and may be again at the next stage."""

    hop: int
    members: tuple[Hidden, ...]
    """At least two, of different runs, all of this hop."""


@dataclass(frozen=True, slots=True)
class Beat:
    """Is somebody there? (`is_answer` false), and: somebody is."""

    number: bytes
    """16 bytes, the same in question and answer."""
    shard_id: ShardId
    """The sender's."""
    is_answer: bool


Frame = Open | Hidden | Finish | Abort | Batch | Beat


def encode(frame: Frame) -> bytes:
    """The frame's body."""
    if isinstance(frame, Batch):
        return b"".join(_batch_parts(frame))
    if isinstance(frame, Beat):
        kind = Kind.PONG if frame.is_answer else Kind.PING
        place = Place(RunId(frame.number), 0, 0, 0)
        return _header(kind, place) + _BEAT.pack(frame.shard_id)
    if isinstance(frame, Open):
        return b"".join((_header(Kind.OPEN, frame.place), *_open_parts(frame)))
    if isinstance(frame, Hidden):
        shape = _HIDDEN.pack(frame.rows, frame.width)
        return b"".join((_header(Kind.HIDDEN, frame.place), shape, frame.data))
    if isinstance(frame, Finish):
        head = _FINISH.pack(frame.end_position, len(frame.receipts))
        receipts = (_encode_receipt(receipt) for receipt in frame.receipts)
        return b"".join((_header(Kind.FINISH, frame.place), head, *receipts))
    return _header(Kind.ABORT, frame.place) + _ABORT.pack(frame.fault, frame.stage)


def decode(body: bytes) -> Frame:
    """The frame in a body. Raises `FrameInvalid`."""
    try:
        version, kind, hop, run, sequence, first = _HEADER.unpack_from(body)
        payload = memoryview(body)[_HEADER.size :]
        if version != _VERSION:
            raise FrameInvalid(f"has version {version}, and {_VERSION} is known")
        place = Place(RunId(run), hop, sequence, first)
        return _DECODERS[Kind(kind)](place, payload)
    except (struct.error, ValueError, FieldInvalid):
        raise FrameInvalid("is cut off, or has a field out of bounds") from None


def is_ping(body: bytes) -> bool:
    """Whether the body would decode to a question, which is answered at once."""
    return len(body) > 1 and body[1] == Kind.PING


def is_batch(body: bytes) -> bool:
    """Whether the body would decode to a `Batch`."""
    return len(body) > 1 and body[1] == Kind.BATCH


def is_abort(body: bytes) -> bool:
    """Whether the body would decode to an `Abort`, which overtakes what waits."""
    return len(body) > 1 and body[1] == Kind.ABORT


def place_of(body: bytes) -> Place | None:
    """The place that a body names, even if the rest of it is garbled; None when there is none."""
    if len(body) < _HEADER.size:
        return None
    _, _, hop, run, sequence, first = _HEADER.unpack_from(body)
    return Place(RunId(run), hop, sequence, first)


def _header(kind: Kind, place: Place) -> bytes:
    return _HEADER.pack(_VERSION, kind, place.hop, place.run, place.sequence, place.first_position)


def _open_parts(frame: Open) -> list[bytes]:
    stages = len(frame.path)
    request_id = frame.request_id.to_bytes(32)
    return [
        _OPEN.pack(request_id, frame.model_id, frame.capacity, stages),
        struct.pack(f">{stages}I", *frame.path),
        bytes([len(frame.salts)]),
        *frame.salts,
    ]


def _decode_open(place: Place, payload: memoryview) -> Open:
    request_id, model_id, capacity, stages = _OPEN.unpack_from(payload)
    path = struct.unpack_from(f">{stages}I", payload, _OPEN.size)
    start = _OPEN.size + 4 * stages
    count = payload[start : start + 1].tobytes()
    salts = bytes(payload[start + 1 :])
    if not 1 <= stages <= MAX_STAGES or capacity < 1 or not 1 <= place.hop < stages:
        raise FrameInvalid("opens a run without positions, or with a place outside its path")
    expected = stages - place.hop + 1
    if count != bytes([expected]) or len(salts) != expected * _SALT_BYTES:
        raise FrameInvalid("has not the salts of the hops that follow")
    return Open(
        place=place,
        request_id=RequestId(int.from_bytes(request_id)),
        model_id=ModelId(model_id),
        capacity=capacity,
        path=tuple(ShardId(shard_id) for shard_id in path),
        salts=tuple(
            salts[start : start + _SALT_BYTES] for start in range(0, len(salts), _SALT_BYTES)
        ),
    )


def _decode_hidden(place: Place, payload: memoryview) -> Hidden:
    rows, width = _HIDDEN.unpack_from(payload)
    data = payload[_HIDDEN.size :]
    if not 1 <= rows <= MAX_ROWS or width < 1 or len(data) != rows * width * _FLOAT_BYTES:
        raise FrameInvalid(f"has {len(data)} bytes for {rows} rows of {width} numbers")
    return Hidden(place, rows, width, data)


def _decode_finish(place: Place, payload: memoryview) -> Finish:
    end_position, count = _FINISH.unpack_from(payload)
    encoded = payload[_FINISH.size :]
    if count > MAX_STAGES or len(encoded) != count * _RECEIPT.size:
        raise FrameInvalid(f"has {len(encoded)} bytes for {count} receipts")
    receipts = tuple(_decode_receipt(fields) for fields in _RECEIPT.iter_unpack(encoded))
    return Finish(place, end_position, receipts)


def _decode_abort(place: Place, payload: memoryview) -> Abort:
    fault, stage = _ABORT.unpack(payload)
    return Abort(place, Fault(fault), stage)


def _batch_parts(frame: Batch) -> list[bytes]:
    nowhere = Place(RunId(bytes(16)), frame.hop, 0, 0)
    parts = [_header(Kind.BATCH, nowhere), _BATCH.pack(len(frame.members))]
    for member in frame.members:
        body = encode(member)
        parts += [_LENGTH.pack(len(body)), body]
    return parts


def _decode_batch(place: Place, payload: memoryview) -> Batch:
    (count,) = _BATCH.unpack_from(payload)
    if not 2 <= count <= MAX_MEMBERS or place != Place(RunId(bytes(16)), place.hop, 0, 0):
        raise FrameInvalid(f"bundles {count} runs, or names one of its own")
    members, start = [], _BATCH.size
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(payload, start)
        start += _LENGTH.size
        body = payload[start : start + length]
        start += length
        version, kind, hop, run, sequence, first = _HEADER.unpack_from(body)
        if (version, kind, hop) != (_VERSION, Kind.HIDDEN, place.hop) or len(body) != length:
            raise FrameInvalid("bundles something else than rows of its hop")
        inner = Place(RunId(run), hop, sequence, first)
        members.append(_decode_hidden(inner, body[_HEADER.size :]))
    if start != len(payload) or len({member.place.run for member in members}) != count:
        raise FrameInvalid("has bytes behind its runs, or one run twice")
    return Batch(place.hop, tuple(members))


def _decode_ping(place: Place, payload: memoryview) -> Beat:
    return _beat(place, payload, is_answer=False)


def _decode_pong(place: Place, payload: memoryview) -> Beat:
    return _beat(place, payload, is_answer=True)


def _beat(place: Place, payload: memoryview, *, is_answer: bool) -> Beat:
    (shard_id,) = _BEAT.unpack(payload)
    if (place.hop, place.sequence, place.first_position) != (0, 0, 0):
        raise FrameInvalid("asks or answers at some place of a run")
    return Beat(bytes(place.run), ShardId(shard_id), is_answer)


_DECODERS: dict[Kind, Callable[[Place, memoryview], Frame]] = {
    Kind.OPEN: _decode_open,
    Kind.HIDDEN: _decode_hidden,
    Kind.FINISH: _decode_finish,
    Kind.ABORT: _decode_abort,
    Kind.BATCH: _decode_batch,
    Kind.PING: _decode_ping,
    Kind.PONG: _decode_pong,
}


def _encode_receipt(signed: SignedReceipt) -> bytes:
    receipt = signed.receipt
    return _RECEIPT.pack(
        receipt.request_id.to_bytes(32),
        receipt.model_id,
        receipt.shard_id,
        receipt.layers.first,
        receipt.layers.end,
        receipt.identity_digest,
        receipt.first_position,
        receipt.end_position,
        receipt.input_commitment,
        receipt.output_commitment,
        receipt.previous_receipt,
        signed.r,
        signed.vs,
    )


def _decode_receipt(fields: tuple[Any, ...]) -> SignedReceipt:
    request_id, model_id, shard_id, first_layer, end_layer, identity, *rest = fields
    first, end, received, sent, previous, r, vs = rest
    receipt = StageReceipt(
        request_id=RequestId(int.from_bytes(request_id)),
        model_id=ModelId(model_id),
        shard_id=ShardId(shard_id),
        layers=LayerRange(first_layer, end_layer),
        identity_digest=identity,
        first_position=first,
        end_position=end,
        input_commitment=received,
        output_commitment=sent,
        previous_receipt=previous,
    )
    return SignedReceipt(receipt, r, vs)

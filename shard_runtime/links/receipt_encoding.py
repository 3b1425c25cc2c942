# SPDX-License-Identifier: Apache-2.0
"""Encodes signed receipts in FINISH frames: the fields in the order of docs/protocol.md section 5,
then the signature.
"""

import struct
from collections.abc import Iterable
from typing import Any

from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import SignedReceipt, StageReceipt

_RECEIPT = struct.Struct(">32sIIHH32sII32s32s32s32s32s")
RECEIPT_BYTES = _RECEIPT.size


def encode_receipts(receipts: Iterable[SignedReceipt]) -> bytes:
    """All receipts, without separators."""
    return b"".join(_encode(signed) for signed in receipts)


def decode_receipts(encoded: memoryview) -> tuple[SignedReceipt, ...]:
    """Raises `struct.error` for a wrong length, `FieldInvalid` for a field out of bounds."""
    return tuple(_decode(fields) for fields in _RECEIPT.iter_unpack(encoded))


def _encode(signed: SignedReceipt) -> bytes:
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


def _decode(fields: tuple[Any, ...]) -> SignedReceipt:
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

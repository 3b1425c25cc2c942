# SPDX-License-Identifier: Apache-2.0
"""Receipts, settlements, signatures and commitments.

given a receipt
    when it is signed
        it should recover to its signer, and travel as JSON
    when JSON from a peer has a missing or wrong field
        the error should name it
    when a value does not fit its type
        it should not be hashed
given a signature
    when r or s is out of range, or s is high
        it should be refused: there is one valid form only
given a running commitment
    it should not depend on how updates split the bytes, and continue after a digest
"""

import hmac
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from teetee.errors import FieldInvalid, SignatureInvalid
from teetee.protocol.commitments import RunningCommitment, encode_token_ids
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import Settlement, SignedReceipt, StageReceipt
from teetee.protocol.signatures import CompactSignature, sign_digest
from teetee.protocol.typed_data import escrow_domain

DOMAIN = escrow_domain(8453, "0x" + "11" * 20)
SIGNER = Account.from_key(b"\x05" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
RECEIPT = StageReceipt(
    request_id=RequestId(2**200),
    model_id=ModelId(1),
    shard_id=ShardId(2),
    layers=LayerRange(0, 3),
    identity_digest=b"\x01" * 32,
    first_position=0,
    end_position=9,
    input_commitment=b"\x02" * 32,
    output_commitment=b"\x03" * 32,
    previous_receipt=bytes(32),
)


def test_sign__receipt__recovers_to_its_signer() -> None:
    assert RECEIPT.sign(SIGNER, DOMAIN).recover(DOMAIN) == SIGNER.address


def test_sign__settlement__recovers_to_its_signer() -> None:
    settlement = Settlement(
        RequestId(1), "0x" + "21" * 20, b"\x09" * 4, 5, 6, b"\x07" * 32, RECEIPT.struct_hash()
    )
    assert settlement.sign(SIGNER, DOMAIN).recover(DOMAIN) == SIGNER.address


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": RequestId(1)},
        {"model_id": ModelId(9)},
        {"shard_id": ShardId(9)},
        {"layers": LayerRange(1, 3)},
        {"identity_digest": bytes(32)},
        {"first_position": 1},
        {"end_position": 10},
        {"input_commitment": bytes(32)},
        {"output_commitment": bytes(32)},
        {"previous_receipt": b"\x01" * 32},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_recover__any_field_changed__is_another_signer(changes: dict[str, Any]) -> None:
    signed = RECEIPT.sign(SIGNER, DOMAIN)
    changed = replace(signed, receipt=replace(RECEIPT, **changes))
    assert changed.recover(DOMAIN) != SIGNER.address


def test_from_json__of_to_json__is_the_same_receipt() -> None:
    signed = RECEIPT.sign(SIGNER, DOMAIN)
    assert SignedReceipt.from_json(signed.to_json()) == signed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requestId", 5),
        ("requestId", "-5"),
        ("requestId", "٣"),
        ("requestId", "9" * 79),
        ("modelId", "1"),
        ("modelId", -1),
        ("shardId", 2**32),
        ("endPosition", True),
        ("identityDigest", "0x12"),
        ("identityDigest", "0x" + "zz" * 32),
        ("r", None),
        ("vs", "11" * 33),
    ],
)
def test_from_json__wrong_field__is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(FieldInvalid) as refused:
        SignedReceipt.from_json(RECEIPT.sign(SIGNER, DOMAIN).to_json() | {field: value})
    assert refused.value.field == field


def test_from_json__range_that_is_none__is_refused() -> None:
    value = RECEIPT.sign(SIGNER, DOMAIN).to_json() | {"firstLayer": 3}
    with pytest.raises(FieldInvalid) as refused:
        SignedReceipt.from_json(value)
    assert refused.value.field == "layers"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"end_position": 2**32}, "endPosition"),
        ({"shard_id": -1}, "shardId"),
        ({"request_id": 2**256}, "requestId"),
        ({"identity_digest": bytes(31)}, "identityDigest"),
    ],
)
def test_struct_hash__value_that_does_not_fit__is_refused_by_field(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(FieldInvalid) as refused:
        replace(RECEIPT, **changes).struct_hash()
    assert refused.value.field == field


@given(digest=st.binary(min_size=32, max_size=32))
def test_sign_digest__any_digest__recovers_from_both_forms(digest: bytes) -> None:
    signature = sign_digest(SIGNER, digest)
    assert signature.recover(digest) == SIGNER.address
    assert CompactSignature.from_bytes(signature.to_bytes()) == signature
    assert Account._recover_hash(digest, signature=signature.to_rsv()) == SIGNER.address


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, 1), (ORDER, 1), (1, 0), (1, ORDER // 2 + 1), (1, 2**255 - 1)],
    ids=["r zero", "r the order", "s zero", "s just high", "s highest"],
)
def test_recover__out_of_range__is_refused(r: int, s: int) -> None:
    with pytest.raises(SignatureInvalid) as refused:
        CompactSignature(r.to_bytes(32), s.to_bytes(32)).recover(bytes(32))
    assert refused.value.rule == "is outside the range of r or of a low s"


def test_recover__r_on_no_point_of_the_curve__is_refused() -> None:
    with pytest.raises(SignatureInvalid) as refused:
        CompactSignature((5).to_bytes(32), (1).to_bytes(32)).recover(b"\x01" * 32)
    assert refused.value.rule == "belongs to no key"


def test_from_bytes__of_another_length__is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        CompactSignature.from_bytes(bytes(65))


@given(pieces=st.lists(st.binary(max_size=40), max_size=8))
def test_digest__of_pieces__is_hmac_over_them_together(pieces: list[bytes]) -> None:
    commitment = RunningCommitment(b"\x09" * 32)
    for piece in pieces:
        commitment.update(piece)
        commitment.digest()
    assert commitment.digest() == hmac.digest(b"\x09" * 32, b"".join(pieces), "sha256")


def test_encode_token_ids__several__are_little_endian_words() -> None:
    assert encode_token_ids([1, 0x01020304]) == b"\x01\0\0\0\x04\x03\x02\x01"

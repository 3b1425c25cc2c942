# SPDX-License-Identifier: Apache-2.0
"""Receipts: every stage signs what it received and sent; a false one is found and its stage named.

given a request that was answered
    it should have one receipt per stage, signed by it, linked to the last, over all positions
    commitments should be HMACs over exactly the token ids and hidden states that travelled
    neighbours' commitments should be equal
given bytes that change on a hop, finite and of the right shape
    it should raise CommitmentMismatch naming the stage before that hop
given a receipt that is missing, of another signer, place or request
    it should raise ReceiptInvalid naming its stage
given the frame that opens a run
    it should carry the salts of the hops from there on and no others
"""

import hmac
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from shard_runtime import ModelSource, Peer
from shard_runtime.errors import CommitmentMismatch, ReceiptInvalid, StageMisbehaved
from shard_runtime.links.frames import Finish, Hidden, Open, decode, encode
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import NO_PREVIOUS_RECEIPT, SignedReceipt
from tests.shard_runtime.rings import (
    DOMAIN,
    MODEL_ID,
    REQUEST_ID,
    identity_digest,
    keys_of,
    running,
    salts_for,
)
from tests.shard_runtime.tiny_models import prompt_of

PROMPT = prompt_of(20, seed=3)


class Recorder:
    """Lets everything pass and remembers hidden states by receiver."""

    def __init__(self) -> None:
        self.hidden: dict[int, bytes] = {}
        self.opens: list[Open] = []

    def __call__(self, shard_id: ShardId, body: bytes) -> bytes:
        frame = decode(body)
        if isinstance(frame, Hidden):
            self.hidden[shard_id] = self.hidden.get(shard_id, b"") + bytes(frame.data)
        elif isinstance(frame, Open):
            self.opens.append(frame)
        return body


def altering(shard_id: int, change: Callable[[Finish], Finish]) -> Callable[..., bytes]:
    """Changes the receipts on their way to one shard."""

    def tamper(receiver: ShardId, body: bytes) -> bytes:
        frame = decode(body)
        return encode(change(frame)) if receiver == shard_id and isinstance(frame, Finish) else body

    return tamper


def test_generate__three_stages__has_linked_receipts_over_all_positions(
    llama: ModelSource,
) -> None:
    with running(llama, 3) as ring:
        generation = ring.ask(PROMPT)
    receipts = [signed.receipt for signed in generation.receipts]
    assert (generation.input_tokens, generation.output_tokens) == (20, 12)
    assert [receipt.shard_id for receipt in receipts] == [1, 2, 3]
    assert [receipt.layers for receipt in receipts] == [
        LayerRange(0, 2),
        LayerRange(2, 4),
        LayerRange(4, 6),
    ]
    assert {(r.request_id, r.model_id) for r in receipts} == {(REQUEST_ID, MODEL_ID)}
    assert {(r.first_position, r.end_position) for r in receipts} == {(0, 20 + 12 - 1)}
    assert [r.identity_digest for r in receipts] == [identity_digest(n) for n in (1, 2, 3)]
    assert receipts[0].previous_receipt == NO_PREVIOUS_RECEIPT
    assert receipts[1].previous_receipt == receipts[0].struct_hash()
    assert receipts[2].previous_receipt == receipts[1].struct_hash()
    signers = [signed.recover(DOMAIN) for signed in generation.receipts]
    assert signers == [keys_of(f"shard {n}").keyset.signer for n in (1, 2, 3)]


def test_generate__three_stages__commits_to_the_bytes_that_travelled(llama: ModelSource) -> None:
    recorder = Recorder()
    with running(llama, 3, tamper=recorder) as ring:
        generation = ring.ask(PROMPT)
    salts = salts_for(3)
    sent = (*PROMPT, *generation.token_ids[:-1])
    travelled = [
        struct.pack(f"<{len(sent)}I", *sent),
        recorder.hidden[2],
        recorder.hidden[3],
        recorder.hidden[1],
    ]
    digests = [hmac.digest(*pair, "sha256") for pair in zip(salts, travelled, strict=True)]
    for stage, signed in enumerate(generation.receipts):
        assert signed.receipt.input_commitment == digests[stage]
        assert signed.receipt.output_commitment == digests[stage + 1]
    assert {len(data) for data in travelled[1:]} == {31 * 48 * 4}


def test_generate__one_stage__commits_to_its_own_output(llama: ModelSource) -> None:
    with running(llama, 1) as ring:
        (signed,) = ring.ask(PROMPT).receipts
    assert signed.receipt.layers == LayerRange(0, 6)
    assert signed.receipt.output_commitment != signed.receipt.input_commitment


@pytest.mark.parametrize(
    ("receiver", "liar"),
    [(2, (0, 1)), (3, (1, 2)), (1, (2, 3))],
    ids=["hop 1", "hop 2", "last hop"],
)
def test_generate__hidden_state_changed_on_a_hop__names_the_stage_before_it(
    llama: ModelSource, receiver: int, liar: tuple[int, int]
) -> None:
    def tamper(shard_id: ShardId, body: bytes) -> bytes:
        if shard_id != receiver or not isinstance(decode(body), Hidden):
            return body
        (number,) = struct.unpack("<f", body[-4:])
        return body[:-4] + struct.pack("<f", number + 0.5)

    with running(llama, 3, tamper=tamper) as ring, pytest.raises(CommitmentMismatch) as raised:
        ring.ask(PROMPT)
    assert (raised.value.hop, raised.value.shard_id) == liar
    assert "signed other bytes" in str(raised.value)


def resigned(finish: Finish, name: str, **changes: object) -> Finish:
    """The last receipt changed, and signed by the shard with that name."""
    *before, last = finish.receipts
    receipt = replace(last.receipt, **changes)  # type: ignore[arg-type]
    return replace(finish, receipts=(*before, receipt.sign(keys_of(name).signer, DOMAIN)))


LIES: dict[str, Callable[[Finish], Finish]] = {
    "another signer": lambda finish: resigned(finish, "a stranger"),
    "another request": lambda finish: resigned(finish, "shard 2", request_id=RequestId(42)),
    "other layers": lambda finish: resigned(finish, "shard 2", layers=LayerRange(2, 5)),
    "another identity": lambda finish: resigned(finish, "shard 2", identity_digest=bytes(32)),
    "other positions": lambda finish: resigned(finish, "shard 2", end_position=30),
    "not linked": lambda finish: resigned(finish, "shard 2", previous_receipt=bytes(32)),
    "no signature": lambda finish: replace(
        finish,
        receipts=(
            *finish.receipts[:-1],
            SignedReceipt(finish.receipts[-1].receipt, bytes(32), bytes(32)),
        ),
    ),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("stages", [2, 3], ids=["found by the entry", "found by the next stage"])
def test_generate__receipt_that_lies__names_its_stage(
    llama: ModelSource, lie: str, stages: int
) -> None:
    next_shard = 3 if stages == 3 else 1
    splits = [LayerRange(0, 2), LayerRange(2, 4), LayerRange(4, 6)]
    if stages == 2:
        splits = [LayerRange(0, 2), LayerRange(2, 6)]
    lying = altering(next_shard, LIES[lie])
    with (
        running(llama, stages, tamper=lying, splits=splits) as ring,
        pytest.raises(ReceiptInvalid) as raised,
    ):
        ring.ask(PROMPT)
    assert (raised.value.hop, raised.value.shard_id) == (1, 2)


@pytest.mark.parametrize("receiver", [2, 3, 1], ids=["to stage 1", "to stage 2", "to the entry"])
def test_generate__receipts_left_out__names_the_stage_before(
    llama: ModelSource, receiver: int
) -> None:
    drop = altering(receiver, lambda finish: replace(finish, receipts=finish.receipts[1:]))
    with running(llama, 3, tamper=drop) as ring, pytest.raises(StageMisbehaved) as raised:
        ring.ask(PROMPT)
    assert raised.value.shard_id == {2: 1, 3: 2, 1: 3}[receiver]


def test_generate__directory_knows_another_identity__refuses_the_receipt(
    llama: ModelSource,
) -> None:
    def alter(peer: Peer) -> Peer:
        return replace(peer, identity_digest=bytes(32)) if peer.shard_id == 2 else peer

    with (
        running(llama, 2, alter_peer=alter) as ring,
        pytest.raises(ReceiptInvalid, match="its receipt"),
    ):
        ring.ask(PROMPT)


def test_open__on_its_way__carries_only_the_salts_that_follow(llama: ModelSource) -> None:
    recorder = Recorder()
    with running(llama, 3, tamper=recorder) as ring:
        ring.ask(PROMPT)
    salts = tuple(salts_for(3))
    assert [frame.salts for frame in recorder.opens] == [salts[1:], salts[2:]]

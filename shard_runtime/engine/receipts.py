# SPDX-License-Identifier: Apache-2.0
"""Signs a stage's receipt and checks those of the others. docs/protocol.md section 5."""

from collections.abc import Sequence
from dataclasses import dataclass

from shard_runtime.errors import CommitmentMismatch, ReceiptInvalid
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.peers import Peer
from teetee.errors import SignatureInvalid
from teetee.protocol.identifiers import ModelId, RequestId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import NO_PREVIOUS_RECEIPT, SignedReceipt, StageReceipt
from teetee.protocol.typed_data import Domain


@dataclass(frozen=True, slots=True)
class RunBinding:
    """What all receipts of a run share, and the peers that must sign them."""

    request_id: RequestId
    model_id: ModelId
    peers: tuple[Peer, ...]
    """In path order."""


def sign_receipt(
    binding: RunBinding,
    identity: StageIdentity,
    layers: LayerRange,
    *,
    end_position: int,
    received: bytes,
    sent: bytes,
    previous: SignedReceipt | None,
) -> SignedReceipt:
    """This stage's receipt for a run. received, sent: the running commitments of its two hops."""
    receipt = StageReceipt(
        request_id=binding.request_id,
        model_id=binding.model_id,
        shard_id=identity.shard_id,
        layers=layers,
        identity_digest=identity.identity_digest,
        first_position=0,
        end_position=end_position,
        input_commitment=received,
        output_commitment=sent,
        previous_receipt=_link(previous),
    )
    return receipt.sign(identity.account, identity.domain)


def check_receipt(
    binding: RunBinding,
    domain: Domain,
    stage: int,
    receipts: Sequence[SignedReceipt],
    end_position: int,
) -> None:
    """Check that `receipts[stage]` is of that stage, this run and this place, and linked to the one
    before it. Raises `ReceiptInvalid` naming the stage.
    """
    peer, signed = binding.peers[stage], receipts[stage]
    receipt = signed.receipt
    previous = receipts[stage - 1] if stage else None
    expected = {
        "another request or model": (receipt.request_id, receipt.model_id)
        == (binding.request_id, binding.model_id),
        "another shard or other layers": (receipt.shard_id, receipt.layers)
        == (peer.shard_id, peer.layers),
        "another identity": receipt.identity_digest == peer.identity_digest,
        "other positions": (receipt.first_position, receipt.end_position) == (0, end_position),
        "another receipt before it": receipt.previous_receipt == _link(previous),
        "another signer": _signer(signed, domain) == peer.signer,
    }
    for difference, is_as_expected in expected.items():
        if not is_as_expected:
            raise ReceiptInvalid(stage, peer.shard_id, f"its receipt names {difference}")


def check_receipts(
    binding: RunBinding,
    domain: Domain,
    receipts: Sequence[SignedReceipt],
    *,
    end_position: int,
    returned: bytes,
) -> None:
    """Check the whole chain. returned: the commitment to what the last stage returned to the entry.

    Raises `ReceiptInvalid`, `CommitmentMismatch`, naming the stage.
    """
    stages = len(binding.peers)
    if len(receipts) != stages:
        last = binding.peers[-1]
        raise ReceiptInvalid(
            stages - 1, last.shard_id, f"{len(receipts)} receipts arrived for {stages} stages"
        )
    for stage in range(stages):
        check_receipt(binding, domain, stage, receipts, end_position)
    received = [signed.receipt.input_commitment for signed in receipts[1:]] + [returned]
    for stage, (signed, commitment) in enumerate(zip(receipts, received, strict=True)):
        check_commitment(binding, stage, signed, commitment)


def check_commitment(
    binding: RunBinding, stage: int, signed: SignedReceipt, received: bytes
) -> None:
    """Check that a stage signed what the next one received. Raises `CommitmentMismatch`."""
    if signed.receipt.output_commitment != received:
        following = (stage + 1) % len(binding.peers)
        raise CommitmentMismatch(
            stage,
            binding.peers[stage].shard_id,
            f"it signed other bytes than shard {binding.peers[following].shard_id} received",
        )


def _signer(signed: SignedReceipt, domain: Domain) -> str:
    try:
        return signed.recover(domain)
    except SignatureInvalid:
        return ""


def _link(previous: SignedReceipt | None) -> bytes:
    return NO_PREVIOUS_RECEIPT if previous is None else previous.receipt.struct_hash()

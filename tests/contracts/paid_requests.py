# SPDX-License-Identifier: Apache-2.0
"""Requests and settlements of the four-layer model, signed with its simulated enclaves' keys."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ape.api import AccountAPI

from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.receipts import NO_PREVIOUS_RECEIPT, ReceiptDomain, Settlement, StageReceipt
from teetee.protocol.typed_data import keccak256

if TYPE_CHECKING:
    from tests.contracts.conftest import House
    from tests.contracts.enrolment import EnrolledShard

INPUT_CAP, OUTPUT_CAP = 64, 128
WINDOW = 600
ANSWER = b"\x01" + b"sealed answer " * 40


def parameters_of(
    house: "House", model_id: int, entry: "EnrolledShard", **changed: Any
) -> dict[str, Any]:
    """A request to the entry; the envelope stands for a sealed prompt, which no contract opens."""
    head = house.escrow.provider.get_block("pending")
    return {
        "modelId": model_id,
        "recipients": [entry.shard_id],
        "maxInputTokens": INPUT_CAP,
        "maxOutputTokens": OUTPUT_CAP,
        "maxDeposit": 10**18,
        "deadline": int(head.timestamp) + WINDOW,
        "clientNonce": b"n" * 32,
        "envelope": b"\x01\x01" + b"e" * 600,
    } | changed


def ask(
    house: "House", requester: AccountAPI, parameters: dict[str, Any], deposit: int
) -> tuple[int, Any]:
    """Pay for a request; its id and the receipt."""
    house.token.approve(house.escrow, deposit, sender=requester)
    receipt = house.escrow.request(parameters, sender=requester)
    (opened,) = receipt.decode_logs(house.escrow.RequestOpened)
    return int(opened.requestId), receipt


def settlement_of(
    house: "House",
    model_id: int,
    request_id: int,
    path: Sequence["EnrolledShard"],
    *,
    requester: AccountAPI,
    input_tokens: int,
    output_tokens: int,
    answer: bytes = ANSWER,
) -> dict[str, Any]:
    """What the entry posts: a receipt of each stage, linked, and its own last word."""
    domain = ReceiptDomain(house.deployment.chain_id, house.deployment.escrow)
    previous, receipts = NO_PREVIOUS_RECEIPT, []
    for hop, shard in enumerate(path):
        receipt = StageReceipt(
            request_id=RequestId(request_id),
            model_id=ModelId(model_id),
            shard_id=ShardId(shard.shard_id),
            layers=shard.enclave.layers,
            identity_digest=shard.identity_digest,
            first_position=0,
            end_position=input_tokens + output_tokens - 1,
            input_commitment=bytes([hop]) * 32,
            output_commitment=bytes([hop + 1]) * 32,
            previous_receipt=previous,
        )
        signed = receipt.sign(shard.enclave.keys.signer, domain)
        previous = receipt.struct_hash()
        # in the order of StageReceiptParameters: ape takes names at the top level only
        receipts.append(
            (
                shard.shard_id,
                receipt.input_commitment,
                receipt.output_commitment,
                signed.r,
                signed.vs,
            )
        )
    settlement = Settlement(
        RequestId(request_id),
        house.escrow.requestOf(request_id).requester,
        input_tokens,
        output_tokens,
        keccak256(answer),
        previous,
    ).sign(path[0].enclave.keys.signer, domain)
    return {
        "requestId": request_id,
        "inputTokens": input_tokens,
        "outputTokens": output_tokens,
        "receipts": receipts,
        "answer": answer,
        "r": settlement.r,
        "vs": settlement.vs,
    }

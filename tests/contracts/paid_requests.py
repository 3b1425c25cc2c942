# SPDX-License-Identifier: Apache-2.0
"""Requests and settlements of the four-layer model, signed with its simulated enclaves' keys."""

from collections.abc import Sequence
from typing import Any

from ape.api import AccountAPI

from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.receipts import NO_PREVIOUS_RECEIPT, Settlement, StageReceipt
from teetee.protocol.typed_data import Domain, escrow_domain, keccak256
from tests.contracts.deployed import DeployedContracts
from tests.contracts.enrolment import EnrolledShard

INPUT_CAP, OUTPUT_CAP = 64, 128
WINDOW = 600
ANSWER = b"\x01" + b"sealed answer " * 40


def parameters_of(
    deployed: DeployedContracts, model_id: int, entry: EnrolledShard, **changed: Any
) -> dict[str, Any]:
    """A request to the entry. The envelope stands for a sealed prompt: no contract opens it."""
    head = deployed.escrow.provider.get_block("pending")
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
    deployed: DeployedContracts, requester: AccountAPI, parameters: dict[str, Any], deposit: int
) -> tuple[int, Any]:
    """Pay for a request; its id and the transaction's receipt."""
    deployed.token.approve(deployed.escrow, deposit, sender=requester)
    receipt = deployed.escrow.request(parameters, sender=requester)
    (opened,) = receipt.decode_logs(deployed.escrow.RequestOpened)
    return int(opened.requestId), receipt


def settlement_of(
    deployed: DeployedContracts,
    model_id: int,
    request_id: int,
    path: Sequence[EnrolledShard],
    *,
    requester: AccountAPI,
    input_tokens: int,
    output_tokens: int,
    answer: bytes = ANSWER,
) -> dict[str, Any]:
    """The argument of `settle`: a receipt of each stage, linked, and the entry's signature."""
    domain = escrow_domain(deployed.deployment.chain_id, deployed.deployment.escrow)
    receipts, last_receipt = _receipts(
        domain, model_id, request_id, path, input_tokens + output_tokens - 1
    )
    request = deployed.escrow.requestOf(request_id)
    settlement = Settlement(
        RequestId(request_id),
        request.requester,
        bytes(request.noncePrefix),
        input_tokens,
        output_tokens,
        keccak256(answer),
        last_receipt,
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


def _receipts(
    domain: Domain,
    model_id: int,
    request_id: int,
    path: Sequence[EnrolledShard],
    end_position: int,
) -> tuple[list[Any], bytes]:
    """The stages' receipts in order, and the struct hash of the last one."""
    previous, receipts = NO_PREVIOUS_RECEIPT, []
    for hop, shard in enumerate(path):
        receipt = StageReceipt(
            request_id=RequestId(request_id),
            model_id=ModelId(model_id),
            shard_id=ShardId(shard.shard_id),
            layers=shard.enclave.layers,
            identity_digest=shard.identity_digest,
            first_position=0,
            end_position=end_position,
            input_commitment=bytes([hop]) * 32,
            output_commitment=bytes([hop + 1]) * 32,
            previous_receipt=previous,
        )
        signed = receipt.sign(shard.enclave.keys.signer, domain)
        previous = receipt.struct_hash()
        commitments = receipt.input_commitment, receipt.output_commitment
        # In the order of StageReceiptParameters: ape accepts names at the top level only.
        receipts.append((shard.shard_id, *commitments, signed.r, signed.vs))
    return receipts, previous

# SPDX-License-Identifier: Apache-2.0
"""The receipts of a settlement: rebuilt from what the chain knows, so that a signature fits only
the whole truth.

A settlement's calldata carries of each receipt the shard, the two commitments and the signature.
All else (request, model, range, identity, positions, the receipt before) is put in here from the
chain's own records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teetee.client.verification.checklist import Checklist
from teetee.client.verification.evidence import (
    EnrolmentEvidence,
    RequestEvidence,
    SettlementEvidence,
)
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.receipts import (
    NO_PREVIOUS_RECEIPT,
    ReceiptDomain,
    Settlement,
    SignedReceipt,
    SignedSettlement,
    StageReceipt,
)
from teetee.protocol.typed_data import keccak256


def rebuild_receipts(
    request: RequestEvidence,
    settlement: SettlementEvidence,
    enrolments: Mapping[int, EnrolmentEvidence],
) -> list[SignedReceipt]:
    """The receipts in path order, each holding the struct hash of the one before."""
    receipts: list[SignedReceipt] = []
    previous = NO_PREVIOUS_RECEIPT
    for stage in settlement.stages:
        enrolment = enrolments[stage.shard_id]
        receipt = StageReceipt(
            request_id=RequestId(request.request_id),
            model_id=ModelId(request.model_id),
            shard_id=ShardId(stage.shard_id),
            layers=enrolment.layers,
            identity_digest=enrolment.identity_digest,
            first_position=0,
            # The last sampled token is never fed back.
            end_position=settlement.input_tokens + settlement.output_tokens - 1,
            input_commitment=stage.input_commitment,
            output_commitment=stage.output_commitment,
            previous_receipt=previous,
        )
        previous = receipt.struct_hash()
        receipts.append(SignedReceipt(receipt, stage.r, stage.vs))
    return receipts


def check_path(
    checks: Checklist, layer_count: int, enrolments: Sequence[EnrolmentEvidence], model_id: int
) -> None:
    """Entry first, then range after range up to the last layer, each of this model and by another
    signer.
    """
    if not checks.expect(
        "path", bool(enrolments), f"{len(enrolments)} stages", "there is no stage at all"
    ):
        return
    reached = 0
    faults = [] if enrolments[0].is_entry else [f"shard {enrolments[0].shard_id} is no entry shard"]
    for enrolment in enrolments:
        if enrolment.layers.first != reached:
            kind = "gap" if enrolment.layers.first > reached else "overlap"
            faults.append(f"{kind} before {enrolment.layers} of shard {enrolment.shard_id}")
        if enrolment.model_id != model_id:
            faults.append(f"shard {enrolment.shard_id} serves model {enrolment.model_id}")
        reached = enrolment.layers.end
    if reached != layer_count:
        faults.append(f"it ends at layer {reached} of {layer_count}")
    if len({each.signer for each in enrolments}) != len(enrolments):
        faults.append("a signer appears twice")
    ranges = " ".join(str(each.layers) for each in enrolments)
    checks.expect("tiling", not faults, f"{ranges} tile [0, {layer_count})", "; ".join(faults))


def check_receipts(
    checks: Checklist,
    domain: ReceiptDomain,
    receipts: Sequence[SignedReceipt],
    enrolments: Mapping[int, EnrolmentEvidence],
) -> None:
    """Each signed by the key of its shard, each naming the one before, neighbours agreeing on what
    passed.
    """
    for index, signed in enumerate(receipts):
        shard_id = signed.receipt.shard_id
        with checks.attempt(f"receipt of shard {shard_id}"):
            signer = signed.recover(domain)
            expected = enrolments[shard_id].signer
            checks.expect(
                f"receipt of shard {shard_id}",
                signer == expected,
                f"signed by {expected}, struct hash 0x{signed.receipt.struct_hash().hex()}",
                f"no signature of {expected} over what the chain says of this stage "
                "(request, model, layers, identity, positions, commitments, receipt before)",
            )
        if index:
            before = receipts[index - 1].receipt
            checks.expect(
                f"link {before.shard_id} → {shard_id}",
                before.output_commitment == signed.receipt.input_commitment
                and signed.receipt.previous_receipt == before.struct_hash(),
                "what was sent is what was received",
                f"shard {before.shard_id} committed to sending something else than shard "
                f"{shard_id} committed to receiving",
            )


def check_settlement(
    checks: Checklist,
    domain: ReceiptDomain,
    request: RequestEvidence,
    settlement: SettlementEvidence,
    receipts: Sequence[SignedReceipt],
    entry: EnrolmentEvidence,
) -> None:
    """The entry's signature over usage, answer and the last receipt; the event's hash of the
    answer; the caps.
    """
    answer_hash = keccak256(settlement.answer)
    checks.expect(
        "answer hash",
        settlement.event_answer == settlement.answer,
        f"0x{answer_hash.hex()}, of {len(settlement.answer)} bytes",
        "the answer in the event is not the one in the settlement's calldata",
    )
    tokens = (settlement.input_tokens, settlement.output_tokens)
    checks.equal("tokens", settlement.event_tokens, tokens, f"{tokens[0]} in, {tokens[1]} out")
    last_receipt = receipts[-1].receipt.struct_hash()
    checks.equal("last receipt", settlement.last_receipt, last_receipt, f"0x{last_receipt.hex()}")
    statement = Settlement(
        request_id=RequestId(request.request_id),
        requester=request.requester,
        input_tokens=settlement.input_tokens,
        output_tokens=settlement.output_tokens,
        answer_hash=answer_hash,
        last_receipt=last_receipt,
    )
    with checks.attempt("settlement"):
        signer = SignedSettlement(statement, settlement.r, settlement.vs).recover(domain)
        checks.expect(
            "settlement",
            signer == entry.signer,
            f"signed by the entry {entry.signer}",
            f"no signature of the entry {entry.signer} over usage, answer and receipts",
        )
    _check_limits(checks, request, settlement, entry)


def _check_limits(
    checks: Checklist,
    request: RequestEvidence,
    settlement: SettlementEvidence,
    entry: EnrolmentEvidence,
) -> None:
    """Who answered, how much was used, and when."""
    checks.expect(
        "recipient",
        entry.shard_id in request.recipients,
        f"shard {entry.shard_id} is one of the request's recipients",
        f"shard {entry.shard_id} was not among the recipients {list(request.recipients)}",
    )
    checks.expect(
        "usage",
        0 < settlement.input_tokens <= request.max_input_tokens
        and 0 < settlement.output_tokens <= request.max_output_tokens,
        f"{settlement.input_tokens} + {settlement.output_tokens} tokens, within the caps",
        f"{settlement.input_tokens} + {settlement.output_tokens} tokens, and the caps are "
        f"{request.max_input_tokens} + {request.max_output_tokens}",
    )
    checks.expect(
        "deadline",
        request.opened_at <= settlement.block_time <= request.deadline,
        f"{settlement.block_time - request.opened_at} s after it was asked, "
        f"{request.deadline - settlement.block_time} s before the deadline",
        f"settled at {settlement.block_time}, asked at {request.opened_at}, "
        f"deadline {request.deadline}",
    )

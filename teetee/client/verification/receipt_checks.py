# SPDX-License-Identifier: Apache-2.0
"""Rebuilds the receipts of a settlement from chain records, and checks their signatures and links.

A settlement's calldata has only the shard, the two commitments and the signature of each receipt.
The other fields (request, model, layers, identity, positions, previous receipt) come from the
chain's own records, so a signature matches only if all of them are true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teetee.client.times import format_seconds, format_time
from teetee.client.verification.checklist import Checklist
from teetee.client.verification.evidence import (
    EnrolmentEvidence,
    RequestEvidence,
    SettlementEvidence,
)
from teetee.protocol.envelope import read_earlier_shards
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.receipts import (
    NO_PREVIOUS_RECEIPT,
    Settlement,
    SignedReceipt,
    SignedSettlement,
    StageReceipt,
)
from teetee.protocol.typed_data import Domain, keccak256


def rebuild_receipts(
    request: RequestEvidence,
    settlement: SettlementEvidence,
    enrolments: Mapping[int, EnrolmentEvidence],
) -> list[SignedReceipt]:
    """Rebuild the receipts in path order, each with the struct hash of the previous one."""
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
            # The last sampled token is not an input.
            end_position=settlement.input_tokens + settlement.output_tokens - 1,
            input_commitment=stage.input_commitment,
            output_commitment=stage.output_commitment,
            previous_receipt=previous,
        )
        previous = receipt.struct_hash()
        receipts.append(SignedReceipt(receipt, stage.r, stage.vs))
    return receipts


def check_history(checks: Checklist, sealed_answer: bytes) -> tuple[ShardId, ...]:
    """The answer names the shards of runs that broke; returns them. The entry has signed the
    answer's hash, and with it these names.
    """
    earlier_shards: tuple[ShardId, ...] = ()
    with checks.attempt("path history"):
        earlier_shards = read_earlier_shards(sealed_answer)
        named = ", ".join(str(shard_id) for shard_id in earlier_shards)
        history = f"runs broke over shards {named}" if earlier_shards else "no run broke"
        checks.expect("path history", True, f"{history}, by the entry", "")
    return earlier_shards


def check_path(
    checks: Checklist, layer_count: int, enrolments: Sequence[EnrolmentEvidence], model_id: int
) -> None:
    """The path starts at an entry and covers each layer of the model once, by distinct signers."""
    if not checks.expect(
        "path", bool(enrolments), f"{len(enrolments)} stages", "the settlement has no stages"
    ):
        return
    reached = 0
    problems = (
        [] if enrolments[0].is_entry else [f"shard {enrolments[0].shard_id} is not an entry shard"]
    )
    for enrolment in enrolments:
        if enrolment.layers.first != reached:
            kind = "gap" if enrolment.layers.first > reached else "overlap"
            problems.append(f"{kind} before {enrolment.layers} of shard {enrolment.shard_id}")
        if enrolment.model_id != model_id:
            problems.append(f"shard {enrolment.shard_id} serves model {enrolment.model_id}")
        reached = enrolment.layers.end
    if reached != layer_count:
        problems.append(f"the path ends at layer {reached} of {layer_count}")
    if len({each.signer for each in enrolments}) != len(enrolments):
        problems.append("two stages have the same signer")
    ranges = " ".join(str(each.layers) for each in enrolments)
    checks.expect(
        "path layers",
        not problems,
        f"{ranges} cover all {layer_count} layers once",
        "; ".join(problems),
    )


def check_receipts(
    checks: Checklist,
    domain: Domain,
    receipts: Sequence[SignedReceipt],
    enrolments: Mapping[int, EnrolmentEvidence],
) -> None:
    """Each receipt is signed by its shard's key and names the previous one; neighbours agree on
    the hidden states between them.
    """
    for index, signed in enumerate(receipts):
        shard_id = signed.receipt.shard_id
        with checks.attempt(f"receipt of shard {shard_id}"):
            signer = signed.recover(domain)
            expected = enrolments[shard_id].signer
            checks.expect(
                f"receipt of shard {shard_id}",
                signer == expected,
                f"signed by {expected}, receipt hash 0x{signed.receipt.struct_hash().hex()}",
                f"not signed by {expected} over the chain's records of this stage (request, "
                "model, layers, identity, positions, commitments, previous receipt)",
            )
        if index:
            previous = receipts[index - 1].receipt
            checks.expect(
                f"link {previous.shard_id} → {shard_id}",
                previous.output_commitment == signed.receipt.input_commitment
                and signed.receipt.previous_receipt == previous.struct_hash(),
                f"shard {shard_id} received what shard {previous.shard_id} sent",
                f"shard {previous.shard_id} committed to sending other data than shard "
                f"{shard_id} committed to receiving",
            )


def check_settlement(
    checks: Checklist,
    domain: Domain,
    request: RequestEvidence,
    settlement: SettlementEvidence,
    receipts: Sequence[SignedReceipt],
    entry: EnrolmentEvidence,
) -> None:
    """The entry signed usage, answer and last receipt; the events say the same; the limits hold."""
    answer_hash = keccak256(settlement.answer)
    checks.expect(
        "answer hash",
        settlement.event_answer == settlement.answer,
        f"0x{answer_hash.hex()}, {len(settlement.answer)} bytes (sealed and padded)",
        "the answer in the event differs from the one in the settlement's calldata",
    )
    tokens = (settlement.input_tokens, settlement.output_tokens)
    checks.equal("tokens", settlement.event_tokens, tokens, f"{tokens[0]} in, {tokens[1]} out")
    last_receipt = receipts[-1].receipt.struct_hash()
    checks.equal("last receipt", settlement.last_receipt, last_receipt, f"0x{last_receipt.hex()}")
    statement = Settlement(
        request_id=RequestId(request.request_id),
        requester=request.requester,
        nonce_prefix=request.nonce_prefix,
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
            f"not signed by the entry {entry.signer} over usage, answer and receipts",
        )
    _check_limits(checks, request, settlement, entry)


def _check_limits(
    checks: Checklist,
    request: RequestEvidence,
    settlement: SettlementEvidence,
    entry: EnrolmentEvidence,
) -> None:
    """A recipient answered, within the token caps, before the deadline."""
    checks.expect(
        "recipient",
        entry.shard_id in request.recipients,
        f"shard {entry.shard_id} is one of the request's recipients",
        f"shard {entry.shard_id} is not one of the recipients {list(request.recipients)}",
    )
    checks.expect(
        "usage",
        0 < settlement.input_tokens <= request.max_input_tokens
        and 0 < settlement.output_tokens <= request.max_output_tokens,
        f"{settlement.input_tokens} + {settlement.output_tokens} tokens, within the caps of "
        f"{request.max_input_tokens} + {request.max_output_tokens}",
        f"{settlement.input_tokens} + {settlement.output_tokens} tokens, and the caps are "
        f"{request.max_input_tokens} + {request.max_output_tokens}",
    )
    checks.expect(
        "deadline",
        request.opened_at <= settlement.block_time <= request.deadline,
        f"settled at {format_time(settlement.block_time)}, after "
        f"{format_seconds(max(0, settlement.block_time - request.opened_at))}; the deadline was "
        f"{format_time(request.deadline)}",
        f"settled at {format_time(settlement.block_time)}, opened at "
        f"{format_time(request.opened_at)}, deadline {format_time(request.deadline)}",
    )

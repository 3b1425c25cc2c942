# SPDX-License-Identifier: Apache-2.0
"""`verify_settled`: every check fails for its own fault, and for no other.

given the evidence of a settled request
    when all of it is true
        it should be verified, for paths of 1, 2, 3 and 5 stages
    when one thing in it is wrong
        it should fail the check of that name
    when a quote cannot be checked
        it should fail that check and still report the others
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from teetee.client.verification.outcome_checks import verify_settled
from teetee.client.verification.report import VerificationReport
from teetee.protocol.envelope import ANSWER_VERSION
from teetee.protocol.layers import LayerRange
from teetee.protocol.typed_data import Domain, escrow_domain
from tests.teetee.client.evidence_factory import (
    CONTEXT,
    OPENED_AT,
    SEALED_ANSWER,
    Evidence,
    Facts,
    address,
    make_evidence,
    sign,
    word,
)

Breaking = Callable[[Evidence], Evidence]


def verify(evidence: Evidence) -> VerificationReport:
    return verify_settled(
        evidence.context,
        evidence.request,
        evidence.model,
        evidence.settlement,
        evidence.enrolments,
        evidence.quotes,
    )


def failed(report: VerificationReport) -> set[str]:
    return {check.name for check in report.failures}


@pytest.mark.parametrize("stages", [1, 2, 3, 5], ids=lambda count: f"{count} stages")
def test_verify_settled__all_true__verifies(stages: int) -> None:
    evidence = make_evidence(stages)
    report = verify(evidence)
    assert failed(report) == set()
    assert report.verified
    assert report.sums_up
    assert [stage.tcb_status for stage in report.path] == ["UpToDate"] * stages
    assert set(evidence.quotes.asked) == {evidence.settlement.block_time}


def with_settlement(evidence: Evidence, **changes: Any) -> Evidence:
    return replace(evidence, settlement=replace(evidence.settlement, **changes))


def with_stage(evidence: Evidence, index: int, **changes: Any) -> Evidence:
    stages = list(evidence.settlement.stages)
    stages[index] = replace(stages[index], **changes)
    return with_settlement(evidence, stages=tuple(stages))


def with_enrolment(evidence: Evidence, shard_id: int, **changes: Any) -> Evidence:
    changed = replace(evidence.enrolments[shard_id], **changes)
    return replace(evidence, enrolments=evidence.enrolments | {shard_id: changed})


def with_request(evidence: Evidence, **changes: Any) -> Evidence:
    return replace(evidence, request=replace(evidence.request, **changes))


def signed_again(evidence: Evidence, domain: Domain | None = None) -> Evidence:
    settlement = sign(evidence.settlement, evidence.request, evidence.enrolments, domain)
    return replace(evidence, settlement=settlement)


def with_share(evidence: Evidence, index: int, **changes: Any) -> Evidence:
    shares = list(evidence.settlement.shares)
    shares[index] = replace(shares[index], **changes)
    return with_settlement(evidence, shares=tuple(shares))


def with_quote_facts(evidence: Evidence, shard_id: int, **changes: Any) -> Evidence:
    core = evidence.enrolments[shard_id].quote_core
    evidence.quotes.accepted[core] = replace(evidence.quotes.accepted[core], **changes)
    return evidence


def without_quote_facts(evidence: Evidence, shard_id: int) -> Evidence:
    del evidence.quotes.accepted[evidence.enrolments[shard_id].quote_core]
    return evidence


def swapped(evidence: Evidence) -> Evidence:
    first, second, third = evidence.settlement.stages
    return signed_again(with_settlement(evidence, stages=(first, third, second)))


def shortened(evidence: Evidence) -> Evidence:
    """The last stage left out, all else in order: receipts, statement, and nothing paid to it."""
    left = with_settlement(
        evidence,
        stages=evidence.settlement.stages[:-1],
        shares=evidence.settlement.shares[:-1],
    )
    return signed_again(left)


RECEIPTS_FROM_11 = {"receipt of shard 11", "receipt of shard 12", "settlement", "last receipt"}
ALL_RECEIPTS = RECEIPTS_FROM_11 | {"receipt of shard 10"}
OTHER_DOMAIN = ALL_RECEIPTS - {"last receipt"}  # a struct hash names no chain and no escrow


def with_trusted(evidence: Evidence, **changes: Any) -> Evidence:
    assert evidence.context.trusted is not None
    trusted = replace(evidence.context.trusted, **changes)
    return replace(evidence, context=replace(evidence.context, trusted=trusted))


ONE_THING_WRONG: dict[str, tuple[Breaking, set[str]]] = {
    "model with another digest than the deployment file's": (
        lambda e: with_trusted(e, digest=word("other")),
        {"model 3 in the deployment file"},
    ),
    "image that the deployment file does not name": (
        lambda e: with_trusted(e, measurements=(word("other"),)),
        {f"image of shard {shard} in the deployment file" for shard in (10, 11, 12)},
    ),
    "model that the deployment file does not name": (
        lambda e: replace(e, context=replace(e.context, trusted=None)),
        {"model 3 in the deployment file"}
        | {f"image of shard {shard} in the deployment file" for shard in (10, 11, 12)},
    ),
    "receipt signed by a stranger": (
        lambda e: with_stage(e, 1, r=e.settlement.stages[0].r, vs=e.settlement.stages[0].vs),
        {"receipt of shard 11"},
    ),
    "signature that is none": (
        lambda e: with_stage(e, 2, r=bytes(32)),
        {"receipt of shard 12"},
    ),
    "commitment changed after signing": (
        lambda e: with_stage(e, 1, output_commitment=word("other")),
        RECEIPTS_FROM_11 | {"link 11 → 12"},
    ),
    "stage that received something else": (
        lambda e: signed_again(with_stage(e, 1, input_commitment=word("other"))),
        {"link 10 → 11"},
    ),
    "receipts of another request": (
        lambda e: with_request(e, request_id=43),
        ALL_RECEIPTS,
    ),
    "receipts of another escrow": (
        lambda e: signed_again(e, escrow_domain(CONTEXT.chain_id, "0x" + "33" * 20)),
        OTHER_DOMAIN,
    ),
    "receipts of another chain": (
        lambda e: signed_again(e, escrow_domain(1, CONTEXT.escrow)),
        OTHER_DOMAIN,
    ),
    "answer swapped in the calldata": (
        lambda e: with_settlement(e, answer=SEALED_ANSWER + b"another"),
        {"answer hash", "settlement"},
    ),
    "answer swapped in the event": (
        lambda e: with_settlement(e, event_answer=b"another"),
        {"answer hash"},
    ),
    "event which differs from contract state": (
        lambda e: with_request(e, event_differences=("deposit",)),
        {"request"},
    ),
    "usage in the event other than the signed one": (
        lambda e: with_settlement(e, event_tokens=(31, 21)),
        {"tokens"},
    ),
    "last receipt of something else": (
        lambda e: with_settlement(e, last_receipt=word("other")),
        {"last receipt"},
    ),
    "usage raised after signing": (
        lambda e: with_settlement(e, input_tokens=32),
        ALL_RECEIPTS | {"tokens", "cost", "payouts", "fee", "refund"},
    ),
    "usage beyond the caps": (
        lambda e: with_request(e, max_input_tokens=30, deposit=30 * 7 + 50 * 13),
        {"usage", "refund", "deposit balance"},
    ),
    "entry which was not asked": (
        lambda e: with_request(e, recipients=(99,)),
        {"recipient"},
    ),
    "settled after the deadline": (
        lambda e: with_request(e, deadline=OPENED_AT + 29),
        {"deadline"},
    ),
    "path with two stages swapped": (
        swapped,
        {"path layers", "payouts", "link 10 → 12", "link 12 → 11"},
    ),
    "path that ends early": (
        shortened,
        {"path layers", "payouts", "fee", "deposit balance"},
    ),
    "path with a gap": (
        lambda e: with_enrolment(e, 11, layers=LayerRange(5, 8)),
        RECEIPTS_FROM_11
        | {"path layers", "enrolment of shard 11", "weights of shard 11", "payouts"}
        | {"fee"},
    ),
    "path with an overlap": (
        lambda e: with_enrolment(e, 11, layers=LayerRange(3, 8)),
        RECEIPTS_FROM_11
        | {"path layers", "enrolment of shard 11", "weights of shard 11", "payouts"}
        | {"fee"},
    ),
    "first stage without tokenizer and head": (
        lambda e: with_enrolment(e, 10, is_entry=False),
        {"path layers", "enrolment of shard 10", "weights of shard 10"},
    ),
    "shard of another model": (
        lambda e: with_enrolment(e, 12, model_id=4),
        {"path layers", "enrolment of shard 12"},
    ),
    "key that is not the enrolled one": (
        lambda e: with_enrolment(e, 11, kem=word("other")),
        {"enrolment of shard 11"},
    ),
    "enrolment by another host": (
        lambda e: with_enrolment(e, 11, host=address(1)),
        {"enrolment of shard 11", "payouts"},
    ),
    "attestation that had expired": (
        lambda e: with_enrolment(e, 12, attested_until=OPENED_AT + 29),
        {"attestation of shard 12"},
    ),
    "attestation that came later": (
        lambda e: with_enrolment(e, 12, attested_from=OPENED_AT + 31),
        {"attestation of shard 12"},
    ),
    "shard that had left": (
        lambda e: with_enrolment(e, 10, left_at=OPENED_AT + 10),
        {"attestation of shard 10"},
    ),
    "weights which were not published": (
        lambda e: replace(
            e, model=replace(e.model, layer_digests=(word("other"), *e.model.layer_digests[1:]))
        ),
        {"weights of shard 10", "model 3 in the deployment file"},
    ),
    "quote which dcap-qvl refuses": (
        lambda e: without_quote_facts(e, 11),
        {"quote of shard 11"},
    ),
    "quote other than the settled one": (
        lambda e: with_share(e, 1, quote_hash=word("other")),
        {"quote hash of shard 11"},
    ),
    "quote other than the enrolled one": (
        lambda e: with_enrolment(e, 12, quote_hash=word("other")),
        {"quote hash of shard 12"},
    ),
    "quote which binds other keys": (
        lambda e: with_quote_facts(e, 10, report_data=word("other") + bytes(32)),
        {"report data of shard 10"},
    ),
    "quote with something in its upper half": (
        lambda e: with_quote_facts(
            e,
            10,
            report_data=e.quotes.accepted[e.enrolments[10].quote_core].report_data[:32]
            + bytes(31)
            + b"\1",
        ),
        {"report data of shard 10"},
    ),
    "block hash which the chain does not have": (
        lambda e: with_enrolment(e, 10, chain_block_hash=word("other")),
        {"report data of shard 10"},
    ),
    "quote of another image": (
        lambda e: with_quote_facts(e, 11, measurement=word("other")),
        {"image of shard 11"},
    ),
    "image which was never allowed": (
        lambda e: with_enrolment(e, 11, measurement_allowed=False),
        {"image of shard 11"},
    ),
    "deposit above the price": (
        lambda e: with_request(e, deposit=e.request.deposit + 1),
        {"deposit", "refund", "deposit balance"},
    ),
    "one wei too much for a host": (
        lambda e: with_share(e, 0, amount=e.settlement.shares[0].amount + 1),
        {"payouts", "deposit balance"},
    ),
    "one wei moved from a host to the fee": (
        lambda e: with_settlement(
            with_share(e, 0, amount=e.settlement.shares[0].amount - 1), fee=e.settlement.fee + 1
        ),
        {"payouts", "fee"},
    ),
    "payment to another host": (
        lambda e: with_share(e, 2, host=address(1)),
        {"payouts"},
    ),
    "cost other than the usage's": (
        lambda e: with_settlement(e, cost=e.settlement.cost + 1),
        {"cost"},
    ),
    "royalty kept back": (
        lambda e: with_settlement(e, royalty=0),
        {"royalty", "deposit balance"},
    ),
    "refund kept back": (
        lambda e: with_settlement(e, refund=0),
        {"refund", "deposit balance"},
    ),
}


@pytest.mark.parametrize(("breaking", "names"), ONE_THING_WRONG.values(), ids=ONE_THING_WRONG)
def test_verify_settled__one_thing_wrong__fails_the_check_of_that_name(
    breaking: Breaking, names: set[str]
) -> None:
    report = verify(breaking(make_evidence()))
    assert failed(report) == names
    assert not report.verified


def test_verify_settled__repeated_signer__fails_path_layers() -> None:
    evidence = make_evidence()
    same = with_enrolment(evidence, 12, signer=evidence.enrolments[11].signer)
    assert "path layers" in failed(verify(same))


def test_verify_settled__no_stage_at_all__fails_and_reports() -> None:
    evidence = with_settlement(make_evidence(), stages=(), shares=())
    report = verify(evidence)
    assert "path" in failed(report)
    assert report.path == ()


def test_verify_settled__quote_not_accepted__shows_no_tcb_status() -> None:
    report = verify(without_quote_facts(make_evidence(), 11))
    assert [stage.tcb_status for stage in report.path] == ["UpToDate", "", "UpToDate"]


def test_to_json__verified__has_the_promised_shape() -> None:
    value = verify(make_evidence(2)).to_json()
    assert value["verified"] is True
    assert value["sumsUp"] is True
    assert value["requestId"] == 42
    assert value["status"] == "SETTLED"
    assert set(value["checks"][0]) == {"name", "ok", "detail"}
    assert value["path"][0]["layers"] == [0, 4]
    assert set(value["path"][0]) == {
        "shardId",
        "layers",
        "host",
        "signer",
        "quoteHash",
        "tcbStatus",
    }
    total = sum(int(payout["amount"]) for payout in value["payouts"])
    total += sum(int(value[name]) for name in ("fee", "royalty", "refund"))
    assert total == int(value["deposit"])


def test_facts__of_the_fake__has_all_that_the_checks_read() -> None:
    assert Facts("UpToDate", bytes(64), bytes(32)).basis


def answered(evidence: Evidence, answer: bytes) -> Evidence:
    settlement = replace(evidence.settlement, answer=answer, event_answer=answer)
    settlement = sign(settlement, evidence.request, evidence.enrolments)
    return replace(evidence, settlement=settlement)


def test_h11__runs_broke__report_names_their_shards() -> None:
    shards = (77).to_bytes(4) + (78).to_bytes(4)
    report = verify(answered(make_evidence(), bytes([ANSWER_VERSION, 2]) + shards + b"sealed"))
    assert report.verified
    assert report.earlier_shards == (77, 78)
    assert report.to_json()["earlierShards"] == [77, 78]
    (check,) = (each for each in report.checks if each.name == "path history")
    assert check.detail == "runs broke over shards 77, 78, by the entry"


def test_h11__names_of_broken_runs_are_unreadable__fails() -> None:
    report = verify(answered(make_evidence(), bytes([ANSWER_VERSION, 9]) + b"sealed"))
    assert failed(report) == {"path history"}


def test_h8__image_withdrawn_since__verifies_an_old_request() -> None:
    evidence = with_trusted(make_evidence(), measurements=(), withdrawn=(word("image"),))
    assert failed(verify(evidence)) == set()

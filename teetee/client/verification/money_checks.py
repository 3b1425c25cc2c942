# SPDX-License-Identifier: Apache-2.0
"""Checks the payments of a request, to the wei (docs/protocol.md, section 6)."""

from __future__ import annotations

from collections.abc import Sequence

from teetee.client.amounts import round_amount
from teetee.client.settlement_split import SettlementSplit, price_of, split_deposit
from teetee.client.verification.checklist import Checklist
from teetee.client.verification.evidence import (
    EnrolmentEvidence,
    ModelEvidence,
    RequestEvidence,
    SettlementEvidence,
)


def expected_split(
    request: RequestEvidence,
    settlement: SettlementEvidence,
    model: ModelEvidence,
    path: Sequence[EnrolmentEvidence],
    fee_bps: int,
) -> SettlementSplit:
    """Compute the payments that the rules give for this usage and path."""
    weights = [
        len(stage.layers) + (model.entry_layer_equivalents if index == 0 else 0)
        for index, stage in enumerate(path)
    ]
    cost = price_of(
        settlement.input_tokens, settlement.output_tokens, request.input_price, request.output_price
    )
    return split_deposit(
        deposit=request.deposit,
        cost=cost,
        fee_bps=fee_bps,
        royalty_bps=model.royalty_bps,
        weights=weights,
    )


def check_deposit(checks: Checklist, request: RequestEvidence) -> None:
    """The deposit is the price of the token caps."""
    price = price_of(
        request.max_input_tokens,
        request.max_output_tokens,
        request.input_price,
        request.output_price,
    )
    checks.equal("deposit", request.deposit, price, round_amount(price), " wei")


def check_split(
    checks: Checklist,
    settlement: SettlementEvidence,
    path: Sequence[EnrolmentEvidence],
    expected: SettlementSplit,
) -> None:
    """Every amount in the settlement's events is right, and together they are the deposit."""
    for name, found, due in (
        ("cost", settlement.cost, expected.cost),
        ("fee", settlement.fee, expected.fee),
        ("royalty", settlement.royalty, expected.royalty),
        ("refund", settlement.refund, expected.refund),
    ):
        checks.equal(name, found, due, round_amount(due), " wei")
    paid = [(share.shard_id, share.host, share.amount) for share in settlement.shares]
    shares = [
        (stage.shard_id, stage.host, amount)
        for stage, amount in zip(path, expected.hosts, strict=True)
    ]
    shown = ", ".join(f"{round_amount(amount)} to {host}" for _, host, amount in shares)
    checks.equal("payouts", paid, shares, shown)
    total = sum(share.amount for share in settlement.shares)
    total += settlement.fee + settlement.royalty + settlement.refund
    checks.expect(
        "deposit balance",
        total == expected.deposit,
        "payouts + fee + royalty + refund = deposit, exactly",
        f"payouts, fee, royalty and refund add up to {total} wei, and the deposit is "
        f"{expected.deposit} wei",
    )

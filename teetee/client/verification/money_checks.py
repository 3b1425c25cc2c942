# SPDX-License-Identifier: Apache-2.0
"""The money of a request, recomputed to the last unit (docs/protocol.md, section 6)."""

from __future__ import annotations

from collections.abc import Sequence

from teetee.client.amounts import format_amount
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
    """What the rules give for this usage and this path."""
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
    """The deposit is the price of the caps."""
    price = price_of(
        request.max_input_tokens,
        request.max_output_tokens,
        request.input_price,
        request.output_price,
    )
    checks.equal("deposit", request.deposit, price, format_amount(price))


def check_split(
    checks: Checklist,
    settlement: SettlementEvidence,
    path: Sequence[EnrolmentEvidence],
    expected: SettlementSplit,
) -> None:
    """Every amount of the settlement's events, and that nothing was lost or made."""
    checks.equal("cost", settlement.cost, expected.cost, format_amount(expected.cost))
    paid = [(share.shard_id, share.host, share.amount) for share in settlement.shares]
    due = [
        (stage.shard_id, stage.host, amount)
        for stage, amount in zip(path, expected.hosts, strict=True)
    ]
    shown = ", ".join(f"{format_amount(amount)} to {host}" for _, host, amount in due)
    checks.equal("payouts", paid, due, shown)
    checks.equal("fee", settlement.fee, expected.fee, format_amount(expected.fee))
    checks.equal("royalty", settlement.royalty, expected.royalty, format_amount(expected.royalty))
    checks.equal("refund", settlement.refund, expected.refund, format_amount(expected.refund))
    total = sum(share.amount for share in settlement.shares)
    total += settlement.fee + settlement.royalty + settlement.refund
    checks.expect(
        "conservation",
        total == expected.deposit,
        "payouts + fee + royalty + refund = deposit, to the last unit",
        f"the parts sum up to {total} wei and the deposit is {expected.deposit} wei",
    )

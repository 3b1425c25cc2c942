# SPDX-License-Identifier: Apache-2.0
"""Splits a deposit among hosts, fee, royalty and refund (docs/protocol.md, section 6).

Amounts are whole wei. Every division rounds down, and the remainder goes to the fee, so the parts
always add up to the deposit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BASIS_POINTS = 10_000


@dataclass(frozen=True)
class SettlementSplit:
    """Amounts in wei; `hosts` in path order."""

    deposit: int
    cost: int
    hosts: tuple[int, ...]
    fee: int
    royalty: int
    refund: int

    @property
    def sums_up(self) -> bool:
        """Whether payouts + fee + royalty + refund = deposit, exactly."""
        return sum(self.hosts) + self.fee + self.royalty + self.refund == self.deposit


def price_of(input_tokens: int, output_tokens: int, input_price: int, output_price: int) -> int:
    """The price of a number of tokens; for the token caps, the deposit."""
    return input_tokens * input_price + output_tokens * output_price


def split_deposit(
    *, deposit: int, cost: int, fee_bps: int, royalty_bps: int, weights: Sequence[int]
) -> SettlementSplit:
    """Split. `weights`: layers per stage in path order, the entry's with its layer equivalents."""
    plain_fee = cost * fee_bps // BASIS_POINTS
    royalty = cost * royalty_bps // BASIS_POINTS
    pool = cost - plain_fee - royalty
    total = sum(weights)
    hosts = tuple(pool * weight // total for weight in weights)
    dust = pool - sum(hosts)
    return SettlementSplit(deposit, cost, hosts, plain_fee + dust, royalty, deposit - cost)

# SPDX-License-Identifier: Apache-2.0
"""Decides when to wait for, replace or give up on a transaction. Pure: no clock, no node.

Fees are EIP-1559, in wei per gas. Nodes accept a replacement that raises both fees by at least
10 %; this policy raises them by more.
"""

from dataclasses import dataclass

_BASE_FEE_FACTOR = 2
"""The base fee takes at least six full blocks to double, so an offer stays valid that long."""


@dataclass(frozen=True, slots=True)
class Fees:
    """The fees that one transaction offers."""

    max_fee: int
    """In total."""
    tip: int
    """For the block's proposer; part of `max_fee`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingPolicy:
    """How long a sender waits and how much it pays."""

    resend_after_seconds: float = 30.0
    """Without inclusion, the fees are raised after this time."""
    give_up_after_seconds: float = 300.0
    """Without inclusion, the caller gets `TransactionUnconfirmed` after this time."""
    raise_percent: int = 20
    max_fee_per_gas: int = 50 * 10**9
    """No offer exceeds it."""
    confirmations: int = 1
    """Blocks from the transaction's own to the head, both counted; 1: inclusion is enough."""
    gas_margin_percent: int = 20
    """Added to the estimate: state may change before inclusion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionState:
    """What is known about a transaction that was sent."""

    seconds_since_first: float
    seconds_since_last: float
    offered: Fees
    market: Fees
    """What a new transaction would offer now."""
    included_at: int | None
    """Block number."""
    head: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Check again later."""


@dataclass(frozen=True, slots=True)
class Resend:
    """Replace the transaction with one that offers more for the same nonce."""

    fees: Fees


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Included, with enough confirmations."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop waiting; the transaction may still be included."""


NextAction = Wait | Resend | Confirmed | GiveUp


def market_fees(base_fee: int, tip: int) -> Fees:
    """What a new transaction offers if the next block's base fee is `base_fee`."""
    return Fees(max_fee=_BASE_FEE_FACTOR * base_fee + tip, tip=tip)


def cap_fees(fees: Fees, limit: int) -> Fees:
    """The same offer, reduced to the limit."""
    max_fee = min(fees.max_fee, limit)
    return Fees(max_fee=max_fee, tip=min(fees.tip, max_fee))


def raise_fees(offered: Fees, market: Fees, policy: SendingPolicy) -> Fees | None:
    """A higher offer, at least the market's; None if the limit is below what nodes would accept."""

    def increased(fee: int) -> int:
        return fee + max(1, -(-fee * policy.raise_percent // 100))

    wanted = Fees(
        max_fee=max(increased(offered.max_fee), market.max_fee),
        tip=max(increased(offered.tip), market.tip),
    )
    return wanted if wanted.max_fee <= policy.max_fee_per_gas else None


def next_action(state: TransactionState, policy: SendingPolicy) -> NextAction:
    """What to do about a transaction that was sent."""
    if state.included_at is not None:
        depth = state.head - state.included_at + 1
        return Confirmed() if depth >= policy.confirmations else Wait()
    if state.seconds_since_first >= policy.give_up_after_seconds:
        return GiveUp()
    if state.seconds_since_last < policy.resend_after_seconds:
        return Wait()
    higher = raise_fees(state.offered, state.market, policy)
    return Wait() if higher is None else Resend(higher)

# SPDX-License-Identifier: Apache-2.0
"""When to wait, send again or give up on a transaction: decided purely, from what is known. No
clock, no node.

Fees are EIP-1559, in wei per gas. A replacement must offer 10 % more on both fees to be taken by
nodes; we offer more.
"""

from dataclasses import dataclass

_BASE_FEE_FACTOR = 2
"""The base fee doubles in six full blocks at the most: so long an offer stays good."""


@dataclass(frozen=True, slots=True)
class Fees:
    """What one transaction offers."""

    max_fee: int
    """All in all."""
    tip: int
    """To whoever includes it; part of `max_fee`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingPolicy:
    """The sender's patience and purse."""

    resend_after_seconds: float = 30.0
    """Seconds without inclusion after which a higher offer is made."""
    give_up_after_seconds: float = 300.0
    """Seconds after which the caller gets to decide."""
    raise_percent: int = 20
    max_fee_per_gas: int = 50 * 10**9
    """No offer goes beyond it."""
    confirmations: int = 1
    """Blocks on top and including its own; 1: included is enough."""
    gas_margin_percent: int = 20
    """Over the estimate: state may change before inclusion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionState:
    """What is known of a transaction that was sent."""

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
    """Look again later."""


@dataclass(frozen=True, slots=True)
class Resend:
    """Offer more for the same nonce."""

    fees: Fees


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Deep enough."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Out of patience; the transaction may still be included."""


NextAction = Wait | Resend | Confirmed | GiveUp


def market_fees(base_fee: int, tip: int) -> Fees:
    """What a new transaction offers when the next block's base fee is `base_fee`."""
    return Fees(max_fee=_BASE_FEE_FACTOR * base_fee + tip, tip=tip)


def cap_fees(fees: Fees, limit: int) -> Fees:
    """The same offer, not beyond the limit."""
    max_fee = min(fees.max_fee, limit)
    return Fees(max_fee=max_fee, tip=min(fees.tip, max_fee))


def raise_fees(offered: Fees, market: Fees, policy: SendingPolicy) -> Fees | None:
    """A better offer, and at least the market's; None: the limit leaves no room for one that nodes
    would take.
    """

    def more(fee: int) -> int:
        return fee + max(1, -(-fee * policy.raise_percent // 100))

    wanted = Fees(
        max_fee=max(more(offered.max_fee), market.max_fee), tip=max(more(offered.tip), market.tip)
    )
    return wanted if wanted.max_fee <= policy.max_fee_per_gas else None


def next_action(facts: TransactionState, policy: SendingPolicy) -> NextAction:
    """What to do next with a transaction that was sent."""
    if facts.included_at is not None:
        depth = facts.head - facts.included_at + 1
        return Confirmed() if depth >= policy.confirmations else Wait()
    if facts.seconds_since_first >= policy.give_up_after_seconds:
        return GiveUp()
    if facts.seconds_since_last < policy.resend_after_seconds:
        return Wait()
    better = raise_fees(facts.offered, facts.market, policy)
    return Wait() if better is None else Resend(better)

# SPDX-License-Identifier: Apache-2.0
"""Decides when to wait for, replace or give up on a transaction. Pure: no clock, no node.

Fees are EIP-1559, in wei per gas. Nodes accept a replacement that raises both fees by at least
10 %. The maximum costs nothing until the base fee rises, so it may approach the limit quickly; the
tip is paid in any case and rises slowly.
"""

import math
from dataclasses import dataclass

_BASE_FEE_FACTOR = 2
"""The base fee takes at least six full blocks to double, so an offer stays valid that long."""
_MIN_RAISE_PERCENT = 10
"""Nodes refuse a replacement that raises either fee by less."""


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
    reach_limit_seconds: float | None = None
    """After this time, the offer is at the limit. None: it rises by `raise_percent` alone."""
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
    limit: int | None = None
    """What the balance allows; None: the policy's limit alone counts."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Check again later."""


@dataclass(frozen=True, slots=True)
class Resend:
    """Replace the transaction with one that offers more for the same nonce. With the fees of the
    last offer, send that again: the node may have dropped it.
    """

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


def raise_fees(
    offered: Fees, market: Fees, policy: SendingPolicy, *, limit: int | None = None, raises: int = 0
) -> Fees | None:
    """A higher offer, at least the market's if the limit allows; None if the limit is below what
    nodes would accept.

    `limit`: below the policy's, if the account can pay no more. `raises`: reach the limit in so
    many steps, this one included; 0 for no hurry.
    """
    limit = policy.max_fee_per_gas if limit is None else min(limit, policy.max_fee_per_gas)
    if _increased(offered.max_fee, _MIN_RAISE_PERCENT) > limit:
        return None
    wanted = max(_increased(offered.max_fee, policy.raise_percent), market.max_fee)
    if raises and offered.max_fee:
        ratio = limit / offered.max_fee
        wanted = max(wanted, math.ceil(offered.max_fee * ratio ** (1 / raises)))
    max_fee = min(wanted, limit)
    # What is left must be enough for another raise; otherwise offer it now.
    if _increased(max_fee, _MIN_RAISE_PERCENT) > limit:
        max_fee = limit
    tip = max(_increased(offered.tip, policy.raise_percent), market.tip)
    return Fees(max_fee=max_fee, tip=min(tip, max_fee))


def next_action(state: TransactionState, policy: SendingPolicy) -> NextAction:
    """What to do about a transaction that was sent."""
    if state.included_at is not None:
        depth = state.head - state.included_at + 1
        return Confirmed() if depth >= policy.confirmations else Wait()
    if state.seconds_since_first >= policy.give_up_after_seconds:
        return GiveUp()
    if state.seconds_since_last < policy.resend_after_seconds:
        return Wait()
    raises = _raises_left(state.seconds_since_first, policy)
    higher = raise_fees(state.offered, state.market, policy, limit=state.limit, raises=raises)
    return Resend(higher or state.offered)


def _raises_left(seconds_since_first: float, policy: SendingPolicy) -> int:
    if policy.reach_limit_seconds is None:
        return 0
    left = policy.reach_limit_seconds - seconds_since_first
    return max(1, int(left // policy.resend_after_seconds) + 1)


def _increased(fee: int, percent: int) -> int:
    return fee + max(1, -(-fee * percent // 100))

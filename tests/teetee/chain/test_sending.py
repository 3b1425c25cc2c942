# SPDX-License-Identifier: Apache-2.0
"""What to do next with a transaction that was sent.

given a transaction
    when it is included deep enough
        it should be confirmed, after any time
    when it is included, but not deep enough
        the sender should wait
    when it is not included after the resend time
        it should be sent again with higher fees, at least the market's, if the limit allows
    when the limit leaves no room for another raise after this one
        it should offer the limit now
    when it offers the limit already
        it should be sent again as it is: the node may have dropped it
    when the limit must be reached in time
        its offers should rise evenly up to the limit, and the tip slowly
    when the time to give up has passed
        it should be given up
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.chain.transactions.fee_policy import (
    Confirmed,
    Fees,
    GiveUp,
    NextAction,
    Resend,
    SendingPolicy,
    TransactionState,
    Wait,
    cap_fees,
    market_fees,
    next_action,
    raise_fees,
)

RULES = SendingPolicy(
    resend_after_seconds=30, give_up_after_seconds=100, max_fee_per_gas=1000, confirmations=3
)
FACTS = TransactionState(
    seconds_since_first=0,
    seconds_since_last=0,
    offered=Fees(100, 10),
    market=Fees(50, 5),
    included_at=None,
    head=20,
)


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        pytest.param(FACTS, Wait(), id="just sent"),
        pytest.param(replace(FACTS, included_at=19), Wait(), id="two deep"),
        pytest.param(replace(FACTS, included_at=18), Confirmed(), id="three deep"),
        pytest.param(
            replace(FACTS, included_at=18, seconds_since_first=1e6), Confirmed(), id="late"
        ),
        pytest.param(
            replace(FACTS, seconds_since_first=30, seconds_since_last=30),
            Resend(Fees(120, 12)),
            id="30 s",
        ),
        pytest.param(
            replace(FACTS, seconds_since_last=30, market=Fees(500, 50)),
            Resend(Fees(500, 50)),
            id="the market went ahead",
        ),
        pytest.param(
            replace(FACTS, seconds_since_last=30, offered=Fees(900, 1)),
            Resend(Fees(1000, 5)),
            id="m6: up to the limit",
        ),
        pytest.param(
            replace(FACTS, seconds_since_last=30, offered=Fees(800, 1)),
            Resend(Fees(1000, 5)),
            id="m6: no raise is left after this one",
        ),
        pytest.param(
            replace(FACTS, seconds_since_last=30, offered=Fees(1000, 5)),
            Resend(Fees(1000, 5)),
            id="m6: at the limit",
        ),
        pytest.param(
            replace(FACTS, seconds_since_last=30, market=Fees(3000, 50)),
            Resend(Fees(1000, 50)),
            id="m6: the market is above the limit",
        ),
        pytest.param(
            replace(FACTS, seconds_since_last=30, limit=115),
            Resend(Fees(115, 12)),
            id="m6: the balance allows less",
        ),
        pytest.param(
            replace(FACTS, seconds_since_first=100, seconds_since_last=1), GiveUp(), id="100 s"
        ),
    ],
)
def test_decide__what_is_known__is_one_step(facts: TransactionState, step: NextAction) -> None:
    assert next_action(facts, RULES) == step


fees = st.builds(
    lambda tip, rest: Fees(max_fee=tip + rest, tip=tip),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
)


@given(offered=fees, market=fees)
def test_raised__any_offer__is_one_that_nodes_take_and_within_the_limit(
    offered: Fees, market: Fees
) -> None:
    policy = SendingPolicy(max_fee_per_gas=10**12)
    better = raise_fees(offered, market, policy)
    if better is None:
        assert max(offered.max_fee * 1.2, market.max_fee) >= policy.max_fee_per_gas - 1
        return
    assert better.max_fee <= policy.max_fee_per_gas
    assert better.tip <= better.max_fee
    for new, old, at_market in (
        (better.max_fee, offered.max_fee, market.max_fee),
        (better.tip, offered.tip, market.tip),
    ):
        assert new > old
        assert new * 10 >= old * 11
        assert new >= min(at_market, policy.max_fee_per_gas)


@given(
    offered=st.integers(1, 10**10),
    limit=st.integers(10**10, 10**12),
    resend_seconds=st.integers(1, 10),
    resends=st.integers(1, 10),
)
def test_m6__limit_must_be_reached_within_the_decline_margin__it_is_offered_in_time(
    offered: int, limit: int, resend_seconds: int, resends: int
) -> None:
    policy = SendingPolicy(
        max_fee_per_gas=limit,
        resend_after_seconds=resend_seconds,
        reach_limit_seconds=resend_seconds * resends,
    )
    now, offer, market = 0, Fees(offered, 1), Fees(offered, 1)
    for _ in range(resends):
        now += resend_seconds
        state = replace(
            FACTS,
            seconds_since_first=now,
            seconds_since_last=resend_seconds,
            offered=offer,
            market=market,
        )
        action = next_action(state, policy)
        assert isinstance(action, Resend)
        assert action.fees == offer or action.fees.max_fee * 10 >= offer.max_fee * 11
        offer = action.fees
    assert offer.max_fee == limit
    assert offer.tip <= 2**resends


def test_market_fees__from_a_base_fee__leave_room_for_its_doubling() -> None:
    assert market_fees(100, 7) == Fees(max_fee=207, tip=7)


def test_capped__beyond_the_limit__keeps_the_tip_within() -> None:
    assert cap_fees(Fees(500, 400), 300) == Fees(300, 300)
    assert cap_fees(Fees(500, 400), 600) == Fees(500, 400)

# SPDX-License-Identifier: Apache-2.0
"""What to do next with a transaction that was sent.

given a transaction
    when it is included deep enough
        it should be confirmed, after any time
    when it is included, but not deep enough
        the sender should wait
    when it is not included after the resend time
        it should be sent again with higher fees, at least the market's, if the limit allows
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
            replace(FACTS, seconds_since_last=30, offered=Fees(900, 1)), Wait(), id="no room"
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
        assert new >= at_market


def test_market_fees__from_a_base_fee__leave_room_for_its_doubling() -> None:
    assert market_fees(100, 7) == Fees(max_fee=207, tip=7)


def test_capped__beyond_the_limit__keeps_the_tip_within() -> None:
    assert cap_fees(Fees(500, 400), 300) == Fees(300, 300)
    assert cap_fees(Fees(500, 400), 600) == Fees(500, 400)

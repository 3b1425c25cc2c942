# SPDX-License-Identifier: Apache-2.0
"""Amounts and their division.

given an amount in wei
    when it is written and read again
        it should be the same
    when it is rounded for people
        it should have at most 4 decimals, below 1 TEE at most 4 significant digits
        it should not become 0 unless it is, and stay within a thousandth
        it should not exceed the amount when it is rounded down
given prices, tokens and weights
    when a deposit is divided
        it should add up exactly, with hosts' shares rounded down and the remainder in the fee
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.client.amounts import format_amount, parse_amount, round_amount
from teetee.client.errors import MalformedAmount
from teetee.client.settlement_split import split_deposit


@given(st.integers(0, (1 << 96) - 1))
def test_parse_amount__formatted__is_the_same(wei: int) -> None:
    assert parse_amount(format_amount(wei)) == wei


@pytest.mark.parametrize(
    ("text", "wei"),
    [("1", 10**18), ("0.000000000000000001", 1), ("1.5 tee", 15 * 10**17), ("12 wei", 12)],
)
def test_parse_amount__as_people_write__is_wei(text: str, wei: int) -> None:
    assert parse_amount(text) == wei


@pytest.mark.parametrize("text", ["", "x", "-1", "1e-19", "0.5 wei", "NaN", "inf", "1 ETH", "1e60"])
def test_parse_amount__no_amount__says_how_to_write_one(text: str) -> None:
    with pytest.raises(MalformedAmount, match=r"for example 1\.5"):
        parse_amount(text)


def test_format_amount__one_wei__loses_nothing() -> None:
    assert format_amount(10**18 + 1) == "1.000000000000000001 TEE"
    assert format_amount(0) == "0 TEE"


@pytest.mark.parametrize(
    ("wei", "text"),
    [
        (0, "0 TEE"),
        (1, "1 wei"),
        (1999_724499999999999999, "1999.7245 TEE"),
        (11600000000000001, "0.0116 TEE"),
        (31313684210526315, "0.03131 TEE"),
        (999_999_999_999_999_999, "1 TEE"),
        (12 * 10**18, "12 TEE"),
        (-1_500_000_000_000_000_001, "-1.5 TEE"),
    ],
)
def test_round_amount__as_people_read__hides_the_dust(wei: int, text: str) -> None:
    assert round_amount(wei) == text


@given(st.integers(0, (1 << 96) - 1))
def test_round_amount__any__is_short_and_near(wei: int) -> None:
    text = round_amount(wei)
    digits, unit = text.split()
    whole, _, decimals = digits.partition(".")
    assert unit == "wei" or len(decimals.lstrip("0") if whole == "0" else decimals) <= 4
    shown = parse_amount(text)
    assert (shown == 0) == (wei == 0)
    assert abs(shown - wei) <= wei // 1000


@given(st.integers(0, (1 << 96) - 1))
def test_round_amount__down__never_exceeds_the_amount(wei: int) -> None:
    assert parse_amount(round_amount(wei, down=True)) <= wei


def test_split_deposit__uneven_pool__gives_the_remainder_to_the_fee() -> None:
    money = split_deposit(deposit=2000, cost=1000, fee_bps=250, royalty_bps=100, weights=[5, 4, 4])
    # fee 25, royalty 10, pool 965: 965 × 5/13 = 371.1…, × 4/13 = 296.9… twice
    assert money.hosts == (371, 296, 296)
    assert (money.fee, money.royalty, money.refund) == (25 + 2, 10, 1000)
    assert money.sums_up


@given(
    cost=st.integers(0, 1 << 96),
    unused=st.integers(0, 1 << 96),
    fee_bps=st.integers(0, 2000),
    royalty_bps=st.integers(0, 2000),
    weights=st.lists(st.integers(1, 65_535), min_size=1, max_size=20),
)
def test_split_deposit__any__sums_up_to_the_deposit(
    cost: int, unused: int, fee_bps: int, royalty_bps: int, weights: list[int]
) -> None:
    money = split_deposit(
        deposit=cost + unused,
        cost=cost,
        fee_bps=fee_bps,
        royalty_bps=royalty_bps,
        weights=weights,
    )
    assert money.sums_up
    assert min(*money.hosts, money.fee, money.royalty, money.refund) >= 0

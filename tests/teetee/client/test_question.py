# SPDX-License-Identifier: Apache-2.0
"""Caps, deadline and price of a question, decided without a chain.

given a prompt
    when no cap is given
        it should pay for as many tokens as it has bytes and a template may add
        it should pay for what the context leaves, if that is less
    when it cannot fit
        it should say so
given a deadline or a largest price
    when it is outside what the escrow admits, or lower than the deposit
        it should say so
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.client.errors import InvalidQuestion, PriceAboveLimit, PromptTooLong
from teetee.client.requests.request_spec import (
    OPENING_SECONDS,
    TEMPLATE_TOKENS,
    Caps,
    Question,
    choose_caps,
    choose_deposit,
    choose_window,
)


def caps_of(question: Question, context_length: int = 2048) -> Caps:
    return choose_caps(question, question.to_prompt(), context_length)


def test_choose_caps__short_prompt__is_certain_to_fit() -> None:
    caps = caps_of(Question("Why? 🙂", max_tokens=100))
    assert caps.certain
    assert caps.input_tokens >= len("Why? 🙂".encode()) + TEMPLATE_TOKENS
    assert caps.output_tokens == 100


def test_choose_caps__prompt_which_may_not_fit__pays_for_all_that_is_left() -> None:
    caps = caps_of(Question("word " * 500, max_tokens=100))
    assert caps == Caps(1948, 100, certain=False)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 5000))
def test_choose_caps__any__stays_within_the_context(
    size: int, max_tokens: int, context_length: int
) -> None:
    question = Question("x" * size, max_tokens=max_tokens)
    try:
        caps = caps_of(question, context_length)
    except PromptTooLong:
        return
    assert caps.input_tokens >= 1
    assert caps.input_tokens + caps.output_tokens <= context_length


@pytest.mark.parametrize(
    "question",
    [
        Question("x", max_tokens=2048),
        Question("x", max_tokens=2000, max_input_tokens=49),
        Question("word " * 10_000, max_tokens=100),
    ],
    ids=["answer fills the context", "caps exceed it", "prompt exceeds it"],
)
def test_choose_caps__cannot_fit__says_so(question: Question) -> None:
    with pytest.raises(PromptTooLong, match="context of 2048"):
        caps_of(question)


def test_choose_window__none_given__is_within_the_escrows() -> None:
    assert choose_window(Question("x"), 30, 3600) == 300
    assert choose_window(Question("x"), 30, 60) == 60
    assert choose_window(Question("x"), 600, 3600) == 600 + OPENING_SECONDS
    assert choose_window(Question("x"), 60, 60) == 60


@pytest.mark.parametrize("seconds", [30 + OPENING_SECONDS, 3600])
def test_choose_window__at_the_limits__is_what_was_asked_for(seconds: int) -> None:
    assert choose_window(Question("x", deadline_seconds=seconds), 30, 3600) == seconds


@pytest.mark.parametrize("seconds", [29 + OPENING_SECONDS, 3601])
def test_choose_window__outside__names_the_limits(seconds: int) -> None:
    with pytest.raises(InvalidQuestion, match=f"from {30 + OPENING_SECONDS} to 3600 seconds"):
        choose_window(Question("x", deadline_seconds=seconds), 30, 3600)


def test_choose_deposit__within_the_limit__is_the_price_of_the_caps() -> None:
    question = Question("x", max_price=10 * 7 + 5 * 9)
    assert choose_deposit(question, Caps(10, 5, certain=True), 7, 9) == 115


def test_choose_deposit__above_the_limit__says_both() -> None:
    question = Question("x", max_price=10**18)
    with pytest.raises(PriceAboveLimit, match=r"2 TEE, and your limit is 1 TEE"):
        choose_deposit(question, Caps(1, 1, certain=True), 10**18, 10**18)


def test_choose_deposit__on_an_allowance__is_nothing() -> None:
    question = Question("x", allowance_shard=4, max_price=0)
    assert choose_deposit(question, Caps(10, 5, certain=True), 7, 9) == 0


def test_repr__question__shows_no_prompt() -> None:
    assert "secret words" not in repr(Question("secret words", system="secret words"))

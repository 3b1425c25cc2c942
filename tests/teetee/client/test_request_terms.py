# SPDX-License-Identifier: Apache-2.0
"""The terms of a request, derived without a chain.

given a prompt
    when no cap is given
        it should pay for as many tokens as its bucket has bytes and a template may add, so that the
        cap tells no more than the envelope's size
        it should pay for what the context leaves, if that is less
    when it cannot fit
        it should say so
given a deadline or a price limit
    when it is outside what the escrow admits, or lower than the deposit
        it should say so
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.chain.contracts.escrow import EscrowTerms
from teetee.chain.types.models import Model
from teetee.client.errors import InvalidQuestion, PriceAboveLimit, PromptTooLong
from teetee.client.requests.request_spec import RequestSpec
from teetee.client.requests.request_terms import (
    OPENING_SECONDS,
    TEMPLATE_TOKENS,
    RequestTerms,
    TokenCaps,
    terms_of,
)
from teetee.protocol.identifiers import ModelId
from tests.teetee.client.evidence_factory import address


def make_terms(
    spec: RequestSpec,
    *,
    context_length: int = 2048,
    window: tuple[int, int] = (30, 3600),
    prices: tuple[int, int] = (1, 2),
) -> RequestTerms:
    model = Model(
        model_id=ModelId(1),
        name="tiny",
        layer_digests=(bytes(32),) * 8,
        embedding_digest=bytes(32),
        head_digest=bytes(32),
        context_length=context_length,
        input_price=prices[0],
        output_price=prices[1],
        entry_layer_equivalents=1,
        royalty_bps=0,
        royalty_recipient=address(1),
        manifest_uri="",
    )
    escrow = EscrowTerms(
        token=address(2),
        registry=address(3),
        treasury=address(4),
        fee_bps=0,
        penalty=0,
        min_window=window[0],
        max_window=window[1],
        max_envelope_bytes=65_536,
    )
    return terms_of(spec, model, escrow)


def window_of(deadline_seconds: int | None, min_window: int, max_window: int) -> int:
    spec = RequestSpec("x", deadline_seconds=deadline_seconds)
    return make_terms(spec, window=(min_window, max_window)).window_seconds


def test_terms_of__short_prompt__is_certain_to_fit() -> None:
    caps = make_terms(RequestSpec("Why? 🙂", max_tokens=100)).caps
    assert caps.certain
    assert caps.input_tokens >= len("Why? 🙂".encode()) + TEMPLATE_TOKENS
    assert caps.output_tokens == 112


def test_terms_of__prompt_that_may_not_fit__pays_for_the_whole_context() -> None:
    caps = make_terms(RequestSpec("word " * 500, max_tokens=100)).caps
    assert caps == TokenCaps(1948, 100, certain=False)


@given(st.text(min_size=1, max_size=2_000), st.none() | st.text(min_size=1, max_size=500))
def test_m4__prompts_of_one_bucket__have_the_same_caps(text: str, system: str | None) -> None:
    """The cap used to be the prompt's length in bytes, beside an envelope that hides it."""
    spec = RequestSpec("x" + text, system=system, max_tokens=100)
    size = len(spec.to_prompt().to_json())
    plain = RequestSpec("x", max_tokens=100)
    filled = RequestSpec("x" * (1 + size - len(plain.to_prompt().to_json())), max_tokens=100)
    assert len(filled.to_prompt().to_json()) == size
    one, other = (make_terms(each, context_length=1 << 20).caps for each in (spec, filled))
    assert (one.input_tokens, one.output_tokens) == (other.input_tokens, other.output_tokens)
    assert one.certain


@pytest.mark.parametrize(
    ("tokens", "cap"), [(1, 16), (16, 16), (17, 32), (256, 256), (257, 288), (1_025, 1_152)]
)
def test_m4__output_cap__is_rounded_up_by_an_eighth_at_most(tokens: int, cap: int) -> None:
    terms = make_terms(RequestSpec("x", max_tokens=tokens), context_length=1 << 20)
    assert terms.caps.output_tokens == cap
    assert terms.prompt.sampling.max_tokens == tokens, "the sealed one is exact"


def test_m4__rounding_would_not_fit_the_context__is_left_out() -> None:
    caps = make_terms(RequestSpec("x", max_tokens=1_800), context_length=2_000).caps
    assert caps == TokenCaps(200, 1_800, certain=True)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 5000))
def test_terms_of__any_prompt__stays_within_the_context(
    size: int, max_tokens: int, context_length: int
) -> None:
    spec = RequestSpec("x" * size, max_tokens=max_tokens)
    try:
        caps = make_terms(spec, context_length=context_length).caps
    except PromptTooLong:
        return
    assert caps.input_tokens >= 1
    assert caps.input_tokens + caps.output_tokens <= context_length


@pytest.mark.parametrize(
    "spec",
    [
        RequestSpec("x", max_tokens=2048),
        RequestSpec("x", max_tokens=2000, max_input_tokens=49),
        RequestSpec("word " * 10_000, max_tokens=100),
    ],
    ids=["answer fills the context", "caps exceed it", "prompt exceeds it"],
)
def test_terms_of__prompt_cannot_fit__says_so(spec: RequestSpec) -> None:
    with pytest.raises(PromptTooLong, match="context of 2048"):
        make_terms(spec)


def test_terms_of__no_deadline__is_within_the_escrows_window() -> None:
    assert window_of(None, 30, 3600) == 300
    assert window_of(None, 30, 60) == 60
    assert window_of(None, 600, 3600) == 600 + OPENING_SECONDS
    assert window_of(None, 60, 60) == 60


@pytest.mark.parametrize("seconds", [30 + OPENING_SECONDS, 3600])
def test_terms_of__deadline_at_the_limits__is_what_was_asked_for(seconds: int) -> None:
    assert window_of(seconds, 30, 3600) == seconds


@pytest.mark.parametrize("seconds", [29 + OPENING_SECONDS, 3601])
def test_terms_of__deadline_outside_the_window__names_the_limits(seconds: int) -> None:
    with pytest.raises(InvalidQuestion, match=f"from {30 + OPENING_SECONDS} to 3600 seconds"):
        window_of(seconds, 30, 3600)


def test_terms_of__deposit_within_the_limit__is_the_price_of_the_caps() -> None:
    spec = RequestSpec("x", max_input_tokens=10, max_tokens=16, max_price=10 * 7 + 16 * 9)
    assert make_terms(spec, prices=(7, 9)).deposit == 214


def test_terms_of__deposit_above_the_limit__says_both() -> None:
    spec = RequestSpec("x", max_input_tokens=1, max_tokens=16, max_price=10**18)
    with pytest.raises(PriceAboveLimit, match=r"17 TEE, and your limit is 1 TEE"):
        make_terms(spec, prices=(10**18, 10**18))


def test_terms_of__on_an_allowance__deposits_nothing() -> None:
    spec = RequestSpec("x", max_input_tokens=10, max_tokens=5, allowance_shard=4, max_price=0)
    assert make_terms(spec, prices=(7, 9)).deposit == 0


def test_repr__request_spec__shows_no_prompt() -> None:
    assert "secret words" not in repr(RequestSpec("secret words", system="secret words"))

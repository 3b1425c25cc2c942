# SPDX-License-Identifier: Apache-2.0
"""Choosing tokens.

given temperature 0, or one so low that the scores overflow
    it should choose the likeliest token
given a seed
    the same logits should give the same tokens, whatever is sampled in between
given top-k or top-p
    it should choose among those tokens only, in their proportions
"""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shard_runtime.engine.entry.sampling import Sampler
from teetee.protocol.prompt import MAX_SEED, Sampling

SHARES = [0.4, 0.3, 0.2, 0.1]
LOGITS = torch.tensor([math.log(share) for share in SHARES])


def sampler(**options: float) -> Sampler:
    return Sampler(Sampling(max_tokens=1, **({"temperature": 1.0, "seed": 11} | options)))  # type: ignore[arg-type]


def frequencies(count: int = 4000, **options: float) -> dict[int, float]:
    chooser = sampler(**options)
    drawn = Counter(chooser.choose(LOGITS, index) for index in range(count))
    return {token: times / count for token, times in drawn.items()}


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=50))
def test_choose__temperature_zero__takes_the_likeliest(numbers: list[float]) -> None:
    logits = torch.tensor(numbers)
    assert logits[sampler(temperature=0.0).choose(logits, 3)] == logits.max()


@pytest.mark.parametrize("top_p", [1.0, 0.5, 1e-308])
@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 1e-307, 1e-308, 1e-320, 5e-324])
@pytest.mark.parametrize("shift", [0.0, -50.0, 50.0], ids=["around 0", "negative", "positive"])
def test_choose__lowest_temperatures__take_the_likeliest(
    temperature: float, top_p: float, shift: float
) -> None:
    logits = torch.tensor([1.0, 7.0, -3.0, 6.5, -9.0]) + shift
    reference = int(logits.argmax())
    chooser = sampler(temperature=temperature, top_p=top_p)
    assert {chooser.choose(logits, index) for index in range(50)} == {reference}


def test_choose__lowest_temperature_and_equal_scores__takes_one_of_the_likeliest() -> None:
    logits = torch.tensor([2.0, 5.0, 5.0, 1.0])
    chooser = sampler(temperature=1e-310)
    assert {chooser.choose(logits, index) for index in range(50)} == {1, 2}


def test_choose__temperature_one__follows_the_shares() -> None:
    found = frequencies()
    for token, share in enumerate(SHARES):
        assert found[token] == pytest.approx(share, abs=0.03)


def test_choose__low_temperature__sharpens() -> None:
    assert frequencies(temperature=0.25)[0] == pytest.approx(0.4**4 / 0.0354, abs=0.03)


@pytest.mark.parametrize(
    ("top_k", "tokens"), [(1, {0}), (2, {0, 1}), (4, {0, 1, 2, 3}), (9, {0, 1, 2, 3})]
)
def test_choose__top_k__keeps_the_likeliest(top_k: int, tokens: set[int]) -> None:
    assert set(frequencies(top_k=top_k)) == tokens


@pytest.mark.parametrize(
    ("top_p", "tokens"),
    [(0.01, {0}), (0.39, {0}), (0.41, {0, 1}), (0.69, {0, 1}), (0.95, {0, 1, 2, 3})],
)
def test_choose__top_p__keeps_the_fewest_that_reach_it(top_p: float, tokens: set[int]) -> None:
    assert set(frequencies(top_p=top_p)) == tokens


def test_choose__top_k_and_top_p__share_what_is_left() -> None:
    found = frequencies(top_k=3, top_p=0.7)
    assert found[0] == pytest.approx(4 / 7, abs=0.03)
    assert set(found) == {0, 1}


@given(
    seed=st.integers(0, MAX_SEED), index=st.integers(0, 2**32), others=st.lists(st.integers(0, 99))
)
def test_choose__same_seed_and_index__is_the_same_whatever_came_between(
    seed: int, index: int, others: list[int]
) -> None:
    logits = torch.linspace(0, 3, 500)
    first, second = sampler(seed=seed), sampler(seed=seed)
    for other in others:
        second.choose(logits, other)
    assert first.choose(logits, index) == second.choose(logits, index)


def test_choose__other_seed__gives_other_tokens() -> None:
    logits = torch.zeros(1000)
    draws = [tuple(sampler(seed=seed).choose(logits, n) for n in range(5)) for seed in range(20)]
    assert len(set(draws)) == 20


def test_choose__no_seed__draws_one() -> None:
    logits = torch.zeros(10_000)
    draws = {sampler(seed=None).choose(logits, 0) for _ in range(8)}  # type: ignore[arg-type]
    assert len(draws) > 1


def test_choose__extreme_logits__stay_in_range() -> None:
    logits = torch.tensor([-1e30, 1e30, 0.0])
    assert {sampler(temperature=2.0).choose(logits, index) for index in range(50)} == {1}

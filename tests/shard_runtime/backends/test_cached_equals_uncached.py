# SPDX-License-Identifier: Apache-2.0
"""Computing a prompt with the KV cache, in any chunks, equals computing it at once.

given a shard of any family
    when it computes the same tokens in chunks of any sizes
        it should give the same hidden states, to float32 rounding
        it should give the same greedy token
    when it computes another run's positions in between
        it should give the same hidden states
"""

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shard_runtime import Shard, load_shard
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.one_run import forward_run
from tests.shard_runtime.tiny_models import LAYERS, MODELS, prompt_of

TOKENS = prompt_of(24, seed=5)
BUDGET = 1 << 24


def load_whole(tiny: Callable[[str], Tiny], name: str) -> Shard:
    return load_shard(tiny(name)[0], LayerRange(0, LAYERS), is_entry=True)


def compute(shard: Shard, tokens: tuple[int, ...], sizes: list[int]) -> torch.Tensor:
    cache = shard.cache_pool(BUDGET).allocate(len(tokens))
    rows, first = [], 0
    for size in [*sizes, len(tokens)]:
        chunk = tokens[first : first + size]
        if chunk:
            rows.append(forward_run(shard, shard.embed(chunk), cache, first))
        first += len(chunk)
    return torch.cat(rows)


def assert_same(actual: torch.Tensor, theirs: torch.Tensor) -> None:
    """Equal to the rounding of six layers of float32 sums in another order."""
    assert (actual - theirs).abs().max() <= 2e-5 * theirs.abs().max()


@pytest.mark.parametrize("name", MODELS)
def test_forward__one_position_at_a_time__equals_all_at_once(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    shard = load_whole(tiny, name)
    whole = compute(shard, TOKENS, [])
    one_by_one = compute(shard, TOKENS, [1] * len(TOKENS))
    assert_same(one_by_one, whole)
    assert shard.logits(one_by_one[-1]).argmax() == shard.logits(whole[-1]).argmax()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(sizes=st.lists(st.integers(1, 9), max_size=8))
def test_forward__chunks_of_any_sizes__equal_all_at_once(
    tiny: Callable[[str], Tiny], sizes: list[int]
) -> None:
    shard = load_whole(tiny, "mistral with a window")
    assert_same(compute(shard, TOKENS, sizes), compute(shard, TOKENS, []))


def test_forward__two_alternating_runs__do_not_affect_each_other(
    tiny: Callable[[str], Tiny],
) -> None:
    shard = load_whole(tiny, "llama")
    pool = shard.cache_pool(BUDGET)
    caches = [pool.allocate(24), pool.allocate(24)]
    prompts = [prompt_of(24, seed=1), prompt_of(24, seed=2)]
    rows: list[list[torch.Tensor]] = [[], []]
    for position in range(24):
        for run in (0, 1):
            embedded = shard.embed(prompts[run][position : position + 1])
            rows[run].append(forward_run(shard, embedded, caches[run], position))
    for run in (0, 1):
        alone = compute(shard, prompts[run], [1] * 24)
        assert torch.equal(torch.cat(rows[run]), alone)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_load_shard__half_precision__is_close_to_float32(
    tiny: Callable[[str], Tiny], dtype: str
) -> None:
    source = tiny("qwen3")[0]
    half = load_shard(source, LayerRange(0, LAYERS), is_entry=True, dtype=dtype)
    hidden = compute(half, TOKENS, [])
    assert hidden.dtype == getattr(torch, dtype)
    exact = compute(load_whole(tiny, "qwen3"), TOKENS, [])
    assert torch.nn.functional.cosine_similarity(hidden.float(), exact).min() > 0.95

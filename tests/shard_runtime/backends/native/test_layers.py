# SPDX-License-Identifier: Apache-2.0
"""Native layers against the torch backend.

given a shard of any family, loaded by torch in float32
    when the native backend computes it in float32
        it should give the same hidden states and logits, up to the order of sums
    when the native backend computes it in int8
        it should give hidden states of nearly the same direction
given a cache of any capacity
    it should have as many bytes as `bytes_for` returns
"""

from collections.abc import Callable

import pytest
import torch

from shard_runtime.backends.native import NativeEmbedding, Precision, ThreadPool, unsupported_reason
from shard_runtime.backends.torch.loading import load_torch_shard
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.backends.native.random_layers import LLAMA, layers_of
from tests.shard_runtime.backends.native.whole_model import native_model
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.one_run import forward_run
from tests.shard_runtime.tiny_models import LAYERS, MODELS, prompt_of

TOKENS = prompt_of(60, seed=5)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", list(Precision), ids=lambda each: each.name.lower())
def test_forward__any_family__equals_the_torch_backend(
    tiny: Callable[[str], Tiny], name: str, precision: Precision, instructions: str
) -> None:
    source = tiny(name)[0]
    if unsupported_reason(source.architecture) is not None:
        pytest.skip("only the torch backend computes it")
    shard = load_torch_shard(source, LayerRange(0, LAYERS), is_entry=True)
    model = native_model(source, precision, ThreadPool(instructions=instructions))
    theirs = forward_run(shard, shard.embed(TOKENS), shard.cache_pool(1 << 24).allocate(60), 0)
    actual = model.hidden(TOKENS, model.layers.allocate_cache(60))
    if precision is Precision.FLOAT32:
        assert (actual - theirs).abs().max() <= 5e-5 * theirs.abs().max()
        logits = model.head.logits(actual[-1:])[0]
        wanted = shard.logits(theirs[-1])
        assert (logits - wanted).abs().max() <= 5e-5 * wanted.abs().max()
        assert logits.argmax() == wanted.argmax()
    else:
        # These weights, and so the errors, are ten times those of a real model.
        assert torch.nn.functional.cosine_similarity(actual, theirs).mean() > 0.97


def test_rows__float32_embedding__equal_the_table(tiny: Callable[[str], Tiny]) -> None:
    source = tiny("llama tied")[0]
    shard = load_torch_shard(source, LayerRange(0, LAYERS), is_entry=True)
    embedding = native_model(source, Precision.FLOAT32, ThreadPool()).embedding
    assert isinstance(embedding, NativeEmbedding)
    assert torch.equal(embedding.rows(TOKENS), shard.embed(TOKENS))


@pytest.mark.parametrize(("precision", "item"), [(Precision.FLOAT32, 4), (Precision.INT8, 2)])
def test_bytes_for__any_capacity__is_the_size_of_the_cache(precision: Precision, item: int) -> None:
    layers = layers_of(LLAMA, precision)
    # 3 layers, 2 heads, keys of 12 dimensions, values padded to 16, positions padded to 32
    assert layers.bytes_for(17) == 3 * 2 * (12 + 16) * 32 * item
    assert layers.allocate_cache(17)._pages.size == layers.bytes_for(17)


def test_thread_pool__instruction_set_is_named__is_used() -> None:
    assert ThreadPool(instructions="portable").instructions == "portable"
    assert ThreadPool().instructions != ""

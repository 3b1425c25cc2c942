# SPDX-License-Identifier: Apache-2.0
"""Every model family computes what transformers computes, alone or in a batch.

given a model of any family
    when it computes a prompt, longer than its window if it has one
        it should give transformers' logits at every position, to float32 rounding
    when it computes rows of several runs in one call
        it should give each run the rows that it gets alone
given longrope and a run whose capacity exceeds the original context
    it should use the long factors from the first position on
given the same model as GGUF
    it should give the same logits and, to float32 rounding, the same architecture
given a multimodal model
    it should read its text model as if it were alone
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Gemma3ForCausalLM

from shard_runtime import ModelSource, Shard, load_shard, open_model
from shard_runtime.backends.shard import Span
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.gguf_writing import write_gguf
from tests.shard_runtime.one_run import forward_run
from tests.shard_runtime.tiny_models import (
    CONTEXT,
    LAYERS,
    MODELS,
    ORIGINAL_CONTEXT,
    build,
    prompt_of,
)

TOKENS = prompt_of(40, seed=6)
LONGROPE = "phi3 with longrope, partial rotation and a window"
IN_GGUF = ["llama", "qwen3", "gemma", "gemma2", "gemma3", "phi3", LONGROPE, "gpt2", "mixtral"]
IN_GGUF += ["qwen3 moe", "gemma3 with linear scaling and a pattern of 3"]


def load_whole(source: ModelSource, dtype: str = "float32") -> Shard:
    return load_shard(source, LayerRange(0, LAYERS), is_entry=True, dtype=dtype)


def logits_of(
    shard: Shard, tokens: tuple[int, ...], capacity: int = ORIGINAL_CONTEXT
) -> torch.Tensor:
    cache = shard.cache_pool(1 << 24).allocate(capacity)
    return shard.logits(forward_run(shard, shard.embed(tokens), cache, 0))


def assert_close(actual: torch.Tensor, theirs: torch.Tensor) -> None:
    """Equal to the rounding of six layers of float32 sums in another order."""
    assert (actual - theirs).abs().max() <= 5e-5 * theirs.abs().max()


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_logits__any_family__equal_transformers(tiny: Callable[[str], Tiny], name: str) -> None:
    source, reference = tiny(name)
    theirs = reference(torch.tensor([TOKENS]), use_cache=False).logits[0]
    assert_close(logits_of(load_whole(source), TOKENS), theirs)


@pytest.mark.parametrize("name", MODELS)
def test_forward__rows_of_several_runs__equal_each_run_alone(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    shard = load_whole(tiny(name)[0])
    pool = shard.cache_pool(1 << 24)
    prompts = [prompt_of(24, seed=seed) for seed in range(3)]
    sizes = [[10, 1, 1, 12], [1, 1, 21, 1], [3, 17, 3, 1]]  # one run's prompt, the others' decoding
    caches, firsts, rows = [pool.allocate(24) for _ in prompts], [0, 0, 0], [[], [], []]  # type: ignore[var-annotated]
    for step in range(4):
        counts = [each[step] for each in sizes]
        pieces = [
            prompt[first : first + count]
            for prompt, first, count in zip(prompts, firsts, counts, strict=True)
        ]
        spans = [Span(*each) for each in zip(caches, firsts, counts, strict=True)]
        together = shard.forward(shard.embed(sum(pieces, ())), spans)
        for run, part in enumerate(together.split_with_sizes(counts)):
            rows[run].append(part)
            firsts[run] += counts[run]
    for run, prompt in enumerate(prompts):
        alone = forward_run(shard, shard.embed(prompt), pool.allocate(24), 0)
        assert_close(torch.cat(rows[run]), alone)


@torch.no_grad()
def test_logits__run_beyond_the_original_context__use_the_long_factors(
    tiny: Callable[[str], Tiny],
) -> None:
    source, reference = tiny(LONGROPE)
    shard, tokens = load_whole(source), prompt_of(ORIGINAL_CONTEXT + 20)
    theirs = reference(torch.tensor([tokens]), use_cache=False).logits[0]
    assert_close(logits_of(shard, tokens, CONTEXT), theirs)
    early = tokens[:20]  # capacity decides, not length
    assert_close(logits_of(shard, early, ORIGINAL_CONTEXT + 1), theirs[:20])
    within = reference(torch.tensor([early]), use_cache=False).logits[0]
    assert_close(logits_of(shard, early, ORIGINAL_CONTEXT), within)
    assert (within - theirs[:20]).abs().max() > 0.1


@pytest.mark.parametrize("name", IN_GGUF)
def test_logits__same_model_as_gguf__are_the_same(
    tiny: Callable[[str], Tiny], tmp_path: Path, name: str
) -> None:
    source, reference = tiny(name)
    write_gguf(reference, tmp_path / "model.gguf")
    there = open_model(tmp_path)
    assert_close(logits_of(load_whole(there), TOKENS), logits_of(load_whole(source), TOKENS))
    actual, theirs = (json.loads(each.architecture.canonical_json()) for each in (source, there))
    assert actual.keys() == theirs.keys()
    for field, value in actual.items():
        if isinstance(value, float):
            assert math.isclose(value, theirs[field], rel_tol=1e-6)
        elif field not in ("name", "rope_scaling"):
            assert value == theirs[field], field


@pytest.mark.parametrize("name", ["gemma", "gpt2", "mixtral", LONGROPE])
def test_logits__in_bfloat16__are_as_close_to_float32_as_transformers_are(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    source = tiny(name)[0]
    with torch.no_grad():
        exact = tiny(name)[1](torch.tensor([TOKENS]), use_cache=False).logits[0]
        half = build(name).to(torch.bfloat16)
        theirs = half(torch.tensor([TOKENS]), use_cache=False).logits[0].float()
    actual = logits_of(load_whole(source, "bfloat16"), TOKENS)
    assert (actual - exact).abs().mean() < 1.5 * (theirs - exact).abs().mean()


def test_embed__gemma_in_bfloat16__scales_as_transformers_rounds(
    tiny: Callable[[str], Tiny],
) -> None:
    shard = load_whole(tiny("gemma")[0], "bfloat16")
    half = build("gemma").to(torch.bfloat16)
    with torch.no_grad():
        theirs = half.get_input_embeddings()(torch.tensor(TOKENS))
    assert torch.equal(shard.embed(TOKENS), theirs)


@pytest.mark.parametrize("prefix", ["language_model.model.", "model.language_model."])
def test_open__multimodal_gemma3__is_its_text_model(
    tiny: Callable[[str], Tiny], tmp_path: Path, prefix: str
) -> None:
    source, reference = tiny("gemma3")
    assert isinstance(reference, Gemma3ForCausalLM)
    tensors = load_file(source.folder / "model.safetensors")
    renamed = {name.replace("model.", prefix, 1): each for name, each in tensors.items()}
    renamed["vision_tower.patch.weight"] = torch.zeros(3, 3)
    save_file(renamed, tmp_path / "model.safetensors")
    text = json.loads((source.folder / "config.json").read_text())
    config = {"model_type": "gemma3", "text_config": text, "vision_config": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    multimodal = open_model(tmp_path)
    assert multimodal.architecture == source.architecture
    assert torch.equal(
        logits_of(load_whole(multimodal), TOKENS), logits_of(load_whole(source), TOKENS)
    )


def test_open__gpt2_as_it_was_published__has_names_without_prefix(
    tiny: Callable[[str], Tiny], tmp_path: Path
) -> None:
    source = tiny("gpt2")[0]
    tensors = load_file(source.folder / "model.safetensors")
    bare = {name.removeprefix("transformer."): each for name, each in tensors.items()}
    save_file(bare, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((source.folder / "config.json").read_text())
    actual = logits_of(load_whole(open_model(tmp_path)), TOKENS)
    assert torch.equal(actual, logits_of(load_whole(source), TOKENS))

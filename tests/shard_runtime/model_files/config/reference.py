# SPDX-License-Identifier: Apache-2.0
"""Compares what a config makes us compute with what transformers computes from it."""

import json
from math import prod
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from shard_runtime import load_shard, open_model
from shard_runtime.architecture import Architecture
from shard_runtime.errors import ModelError
from shard_runtime.model_files.config.config_json import read_config_json
from shard_runtime.model_files.tensors.tensor_layout import model_layouts
from shard_runtime.model_files.tensors.tensor_names import FileFormat, detect_tensor_names
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.model_files.config.base_configs import VOCABULARY
from tests.shard_runtime.one_run import forward_run

_TOKENS = 40
_MAX_PARAMETERS = 30_000_000
_WIDE = 64
_WRAPPERS = ("gemma3", "mistral3")


class Reference:
    """Compares configs; results are kept for configs that mean the same to both sides."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()
        self.counts = {"computed equal": 0, "too large, of equal size": 0, "refused": 0}

    def compare(self, text: str) -> None:
        """Raises AssertionError unless we refuse the config or compute transformers' logits."""
        path = self._folder / "config.json"
        path.write_text(text)
        try:
            architecture = read_config_json(path)
        except ModelError:
            self.counts["refused"] += 1
            return
        theirs = read_theirs(self._folder)
        key = architecture.canonical_json() + json.dumps(
            theirs.to_dict(), default=str, sort_keys=True
        )
        if key not in self._known:
            if _parameters(theirs) > _MAX_PARAMETERS:
                assert _weights(architecture) == _parameters(theirs)
                self.counts["too large, of equal size"] += 1
                return
            actual, expected = logits_of_both(theirs, text, self._folder)
            assert torch.isfinite(expected).all()
            error = float((actual - expected).abs().max() / expected.abs().max())
            assert error <= 5e-5, error
            self._known.add(key)
        self.counts["computed equal"] += 1


def read_theirs(folder: Path) -> Any:
    """The text model's config as transformers reads it, tied as the whole model is."""
    config = AutoConfig.from_pretrained(folder)
    text = config.get_text_config()
    if config.model_type in _WRAPPERS:
        text.tie_word_embeddings = bool(config.tie_word_embeddings)
    return text


@torch.no_grad()
def logits_of_both(theirs: Any, text: str, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits of random weights of the config's shapes: ours and transformers'."""
    model = _build(theirs)
    model.save_pretrained(folder)
    (folder / "config.json").write_text(text)
    source = open_model(folder)
    layers = LayerRange(0, source.architecture.layer_count)
    shard = load_shard(source, layers, is_entry=True, dtype="float32")
    count = min(_TOKENS, source.architecture.context_length)
    generator = torch.Generator().manual_seed(1)
    limit = min(VOCABULARY, source.architecture.vocabulary_size)
    tokens = torch.randint(0, limit, (count,), generator=generator)
    cache = shard.cache_pool(1 << 28).allocate(count)
    actual = shard.logits(forward_run(shard, shard.embed(tuple(tokens.tolist())), cache, 0))
    outputs = model(tokens[None], use_cache=False, return_dict=True)
    return actual, outputs.logits[0]


def _build(config: Any) -> PreTrainedModel:
    torch.manual_seed(20261130)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, experts_implementation="eager"
    )
    model.train(False)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.add_(torch.randn_like(parameter) * 0.2)
        elif parameter.shape[-1] > _WIDE:  # or the rounding of float32 decides
            parameter.mul_((_WIDE / parameter.shape[-1]) ** 0.5)
    return model


def _parameters(config: Any) -> int:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(each.numel() for each in model.parameters())


def _weights(architecture: Architecture) -> int:
    names = detect_tensor_names(FileFormat.SAFETENSORS, architecture.name, ())
    layouts = model_layouts(architecture, names)
    return sum(prod(shape) for layout in layouts for shape in layout.targets.values())

# SPDX-License-Identifier: Apache-2.0
"""Llama models of any shape with random weights, in a folder that every system can load."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.runtime.models.smollm2 import BenchmarkModel

STANDARD_DEVIATION = 0.02
"""As in the initialisation of such models. Norms are ones."""


def random_llama(
    folder: Path,
    shape: Mapping[str, Any],
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> BenchmarkModel:
    """Writes a model, one layer at a time, so that only one is in memory.

    shape: fields of transformers' LlamaConfig. device: generates the random numbers.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**shape, dtype=dtype)
    with torch.device("meta"):
        shapes = {name: each.shape for name, each in LlamaForCausalLM(config).state_dict().items()}
    if config.tie_word_embeddings:
        del shapes["lm_head.weight"]
    folder.mkdir(parents=True, exist_ok=True)
    weight_map: dict[str, str] = {}
    for number, names in enumerate(_by_layer(shapes)):
        tensors = {name: _random_tensor(name, shapes[name], dtype, device) for name in names}
        file = f"model-{number:05}.safetensors"
        save_file(tensors, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.save_pretrained(folder)  # last: it marks the folder as complete
    return BenchmarkModel(folder.name, folder, None)


def _by_layer(shapes: Mapping[str, torch.Size]) -> Iterator[list[str]]:
    """Groups the names by layer; a tensor outside the layers is its own group."""
    groups: dict[str, list[str]] = {}
    for name in shapes:
        parts = name.split(".")
        key = ".".join(parts[:3]) if parts[1] == "layers" else name
        groups.setdefault(key, []).append(name)
    yield from groups.values()


def _random_tensor(name: str, shape: torch.Size, dtype: torch.dtype, device: str) -> torch.Tensor:
    if "norm" in name:
        return torch.ones(shape, dtype=dtype)
    return torch.empty(shape, dtype=dtype, device=device).normal_(0, STANDARD_DEVIATION).cpu()

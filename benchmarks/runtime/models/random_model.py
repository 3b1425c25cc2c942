# SPDX-License-Identifier: Apache-2.0
"""Models of any Llama shape with random weights, as a folder that everybody can load."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.runtime.models.smollm2 import BenchmarkModel

SPREAD = 0.02
"""Standard deviation, as such models are initialised. Norms are ones."""


def random_llama(
    folder: Path,
    shape: Mapping[str, Any],
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> BenchmarkModel:
    """`shape`: fields of transformers' LlamaConfig. Layer by layer, so that no more than one is in
    memory; `device` draws the numbers.
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
        tensors = {name: _drawn(name, shapes[name], dtype, device) for name in names}
        file = f"model-{number:05}.safetensors"
        save_file(tensors, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.save_pretrained(folder)  # last: with it, the folder is whole
    return BenchmarkModel(folder.name, folder, None)


def _by_layer(shapes: Mapping[str, torch.Size]) -> Iterator[list[str]]:
    """`model.layers.7.…` together; what belongs to no layer each alone."""
    groups: dict[str, list[str]] = {}
    for name in shapes:
        parts = name.split(".")
        key = ".".join(parts[:3]) if parts[1] == "layers" else name
        groups.setdefault(key, []).append(name)
    yield from groups.values()


def _drawn(name: str, shape: torch.Size, dtype: torch.dtype, device: str) -> torch.Tensor:
    if "norm" in name:
        return torch.ones(shape, dtype=dtype)
    return torch.empty(shape, dtype=dtype, device=device).normal_(0, SPREAD).cpu()

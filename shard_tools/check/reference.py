# SPDX-License-Identifier: Apache-2.0
"""The unsplit model, by transformers: what everything else is compared with.

Runs in a process of its own. Greedy in a plain loop, so that no generation setting of a model's
files has a say.
"""

from collections.abc import Collection, Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from shard_runtime.errors import CheckFailed
from shard_runtime.model_files.source import ModelSource


def is_installed() -> bool:
    return find_spec("transformers") is not None


def name() -> str:
    return f"transformers {version('transformers')}"


def load_reference(source: ModelSource) -> Any:
    """The whole model in float32. Raises `CheckFailed` without transformers."""
    if not is_installed():
        raise CheckFailed("the unsplit model", "transformers is not installed")
    transformers: Any = import_module("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if source.gguf is not None:
        return _load_gguf(source.gguf).eval()
    model = transformers.AutoModelForCausalLM
    return model.from_pretrained(str(source.folder), dtype=torch.float32).eval()


def load_reference_tokenizer(source: ModelSource) -> Any:
    """transformers' own tokenizer and chat template for the model."""
    transformers: Any = import_module("transformers")
    # Beside a tokenizer.json, transformers would take half of the tokenizer from the GGUF.
    beside = (source.folder / "tokenizer.json").is_file()
    gguf = {"gguf_file": source.gguf.name} if source.gguf is not None and not beside else {}
    return transformers.AutoTokenizer.from_pretrained(str(source.folder), **gguf)


def _load_gguf(path: Path) -> Any:
    """What `from_pretrained(gguf_file=…)` does, but that wants `accelerate` without using it."""
    transformers: Any = import_module("transformers")
    reading: Any = import_module("transformers.modeling_gguf_pytorch_utils")
    config = transformers.AutoConfig.from_pretrained(str(path.parent), gguf_file=path.name)
    make = transformers.AutoModelForCausalLM.from_config
    with torch.device("meta"):
        names_only = make(config)
    weights = reading.load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=names_only)
    model = make(config, dtype=torch.float32)
    missing, unexpected = model.load_state_dict(weights["tensors"], strict=False, assign=True)
    model.tie_weights()
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    if unexpected or set(missing) - tied:
        raise CheckFailed("the unsplit model", "transformers misses tensors in the GGUF")
    return model


@torch.inference_mode()
def greedy(
    model: Any, prompt: Sequence[int], max_tokens: int, ends: Collection[int]
) -> tuple[int, ...]:
    """The answer's token ids, an end token included."""
    answer: list[int] = []
    tokens, cache = list(prompt), None
    limit = min(max_tokens, model.config.max_position_embeddings - len(prompt))
    while len(answer) < limit and not (answer and answer[-1] in ends):
        output = model(torch.tensor([tokens]), past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        tokens = [int(output.logits[0, -1].argmax())]
        answer += tokens
    return tuple(answer)

# SPDX-License-Identifier: Apache-2.0
"""The reference: the unsplit model computed by transformers.

Runs in its own process. Decodes greedily in a plain loop, so that no generation setting in the
model's files applies.
"""

from collections.abc import Collection, Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from shard_runtime.model_files.source import ModelSource
from shard_tools.check.one_gguf import as_one_file
from shard_tools.errors import CheckFailed


def is_installed() -> bool:
    """Whether transformers can be imported."""
    return find_spec("transformers") is not None


def name() -> str:
    """Name and version, for reports."""
    return f"transformers {version('transformers')}"


def load_reference(source: ModelSource) -> Any:
    """Loads the whole model in float32. Raises `CheckFailed` if transformers is not installed."""
    if not is_installed():
        raise CheckFailed("the unsplit model", "transformers is not installed")
    transformers: Any = import_module("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if source.gguf is not None:
        with as_one_file(source.gguf_files) as path:
            return _load_gguf(path).eval()
    model = transformers.AutoModelForCausalLM
    return model.from_pretrained(str(source.folder), dtype=torch.float32).eval()


def load_reference_tokenizer(source: ModelSource) -> Any:
    """Loads the model's tokenizer and chat template as transformers reads them."""
    transformers: Any = import_module("transformers")
    # With a tokenizer.json beside it, transformers would mix in parts of the GGUF's tokenizer.
    has_json = (source.folder / "tokenizer.json").is_file()
    gguf = {"gguf_file": source.gguf.name} if source.gguf is not None and not has_json else {}
    return transformers.AutoTokenizer.from_pretrained(str(source.folder), **gguf)


def render(tokenizer: Any, text: str) -> str | None:
    """A user message by the chat template, up to the start of the model's turn; None if it fails.

    The template is code from the model's publisher and may raise anything.
    """
    messages = [{"role": "user", "content": text}]
    try:
        return str(
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
    except Exception:  # noqa: BLE001 - see above
        return None


def end_tokens(model: Any) -> frozenset[int]:
    """The tokens at which `generate` ends an answer."""
    named = model.generation_config.eos_token_id
    listed = named if isinstance(named, list) else [named]
    return frozenset(token for token in listed if token is not None)


@torch.inference_mode()
def next_logits(model: Any, prompt: Sequence[int]) -> torch.Tensor:
    """(V,) scores of the token after a prompt."""
    logits: torch.Tensor = model(torch.tensor([list(prompt)])).logits[0, -1]
    return logits


def _load_gguf(path: Path) -> Any:
    """Replaces `from_pretrained(gguf_file=…)`, which requires `accelerate` without using it."""
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
        raise CheckFailed("the unsplit model", "transformers does not find all tensors in the GGUF")
    return model


@torch.inference_mode()
def greedy(
    model: Any, prompt: Sequence[int], max_tokens: int, eos_token_ids: Collection[int]
) -> tuple[int, ...]:
    """The answer's token ids, including an end token."""
    answer: list[int] = []
    tokens, cache = list(prompt), None
    limit = min(max_tokens, model.config.max_position_embeddings - len(prompt))
    while len(answer) < limit and not (answer and answer[-1] in eos_token_ids):
        output = model(torch.tensor([tokens]), past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        tokens = [int(output.logits[0, -1].argmax())]
        answer += tokens
    return tuple(answer)

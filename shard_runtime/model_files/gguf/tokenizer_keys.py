# SPDX-License-Identifier: Apache-2.0
"""The `tokenizer.*` keys of a GGUF's metadata: which are honoured, which have no effect here.

Any other key is refused by name, because it could change the token ids.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from shard_runtime.errors import TokenizerUnsupported
from shard_runtime.model_files.gguf.pre_tokenizers import PRE_TOKENIZERS, PreTokenization

_HONOURED = re.compile(
    r"tokenizer\.(ggml\.("
    r"model|pre|tokens|token_type|scores|merges|add_space_prefix|add_bos_token|add_eos_token"
    r"|(bos|eos|eot|eom|unknown|seperator|separator|padding|cls|mask)_token_id"
    r"|fim_(pre|suf|mid|pad|rep|sep)_token_id"
    r")|chat_template)"
)

# No effect: an older spelling of other roles, a copy for other programs, templates by other names.
_HARMLESS = re.compile(
    r"tokenizer\.(ggml\.((prefix|suffix|middle|eod)_token_id|token_type_count)"
    r"|huggingface\.json|rwkv\.world|chat_templates|chat_template\.\w+)"
)

# Keys that have no effect with these values.
_HARMLESS_VALUES: dict[str, Callable[[Any], bool]] = {
    "tokenizer.ggml.remove_extra_whitespaces": lambda value: value is False,
    "tokenizer.ggml.add_sep_token": lambda value: value is False,
    "tokenizer.ggml.normalizer.lowercase": lambda value: value is False,
    "tokenizer.ggml.normalizer.strip_accents": lambda value: value is False,
    "tokenizer.ggml.precompiled_charsmap": lambda value: value == [],
    "tokenizer.ggml.suppress_tokens": lambda value: value == [],
}

_MODELS = ("gpt2", "llama")


def pre_tokenization(metadata: Mapping[str, Any], file: str) -> PreTokenization:
    """What `tokenizer.ggml.pre` names. Raises `TokenizerUnsupported` if it is absent or unknown."""
    name = metadata.get("tokenizer.ggml.pre")
    found = PRE_TOKENIZERS.get(name) if isinstance(name, str) else None
    if found is None:
        what = "is absent" if name is None else f"is {name!r:.80}"
        known = ", ".join(sorted(PRE_TOKENIZERS))
        raise TokenizerUnsupported(
            file, f"tokenizer.ggml.pre {what}; the names that are supported are {known}"
        )
    return found


def check_tokenizer_keys(metadata: Mapping[str, Any], file: str) -> None:
    """Raises `TokenizerUnsupported`, naming the first key that is not understood."""
    model = metadata.get("tokenizer.ggml.model")
    if model not in _MODELS:
        raise TokenizerUnsupported(
            file,
            f"tokenizer.ggml.model is {model!r:.80}; supported are gpt2 (byte-level) and "
            "llama (sentencepiece)",
        )
    for key, value in metadata.items():
        if not key.startswith("tokenizer.") or _HONOURED.fullmatch(key):
            continue
        is_harmless = _HARMLESS_VALUES.get(key)
        if _HARMLESS.fullmatch(key) or (is_harmless is not None and is_harmless(value)):
            continue
        raise TokenizerUnsupported(file, f"its key {key} is {value!r:.80}")
    if model == "gpt2":
        pre_tokenization(metadata, file)

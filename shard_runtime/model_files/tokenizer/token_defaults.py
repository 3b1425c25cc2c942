# SPDX-License-Identifier: Apache-2.0
"""The special tokens that transformers assumes where a folder's files name none.

They depend on the tokenizer class, which transformers chooses from tokenizer_config.json and the
model family. They are all that the class decides here. In transformers 5 some classes also change
token ids: they rebuild the tokenizer without parts of its tokenizer.json. Here that file alone
defines the ids, which then differ from `AutoTokenizer`'s (docs/decisions/020-tokenizers.md).
"""

from collections.abc import Mapping
from typing import Any

_GPT2, _QWEN2, _LLAMA, _GEMMA = (
    "GPT2Tokenizer",
    "Qwen2Tokenizer",
    "LlamaTokenizer",
    "GemmaTokenizer",
)
_PLAIN = "TokenizersBackend"
_END_OF_TEXT = "<|endoftext|>"

_DEFAULTS = {
    _GPT2: {"bos_token": _END_OF_TEXT, "eos_token": _END_OF_TEXT, "unk_token": _END_OF_TEXT},
    _QWEN2: {"eos_token": _END_OF_TEXT, "unk_token": _END_OF_TEXT, "pad_token": _END_OF_TEXT},
    _LLAMA: {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    _GEMMA: {
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
    },
}

# model_type → the class that transformers has registered for it, where it is not the plain one.
_REGISTERED = {
    "gpt2": _GPT2,
    "qwen2": _QWEN2,
    "qwen3": _QWEN2,
    "qwen3_moe": _QWEN2,
    "gemma": _GEMMA,
    "gemma2": _GEMMA,
    "gemma3": _GEMMA,
    "gemma3_text": _GEMMA,
}
_ALWAYS_REGISTERED = ("qwen2",)  # whatever class tokenizer_config.json names
_ALWAYS_PLAIN = ("phi3", "mistral", "ministral", "ministral3", "mistral3", "mixtral")


def default_tokens(
    model: Mapping[str, Any], configuration: Mapping[str, Any], definition: Mapping[str, Any]
) -> dict[str, str]:
    """name → text. A token that the vocabulary does not have is none.

    model: config.json. configuration: tokenizer_config.json. definition: tokenizer.json.
    """
    found = _DEFAULTS.get(_class_name(model, configuration, definition), {})
    return {name: text for name, text in found.items() if _has_token(definition, text)}


def _class_name(
    model: Mapping[str, Any], configuration: Mapping[str, Any], definition: Mapping[str, Any]
) -> str:
    family = model.get("model_type")
    declared = configuration.get("tokenizer_class") or model.get("tokenizer_class")
    if family in _ALWAYS_PLAIN:
        return _PLAIN
    registered = _REGISTERED.get(str(family))
    if registered is not None and (declared is None or family in _ALWAYS_REGISTERED):
        return registered
    name = str(declared or _PLAIN).removesuffix("Fast")
    return _PLAIN if name == _LLAMA and "ByteLevel" in str(definition.get("decoder")) else name


def _has_token(definition: Mapping[str, Any], text: str) -> bool:
    model, added = definition.get("model"), definition.get("added_tokens")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    return (isinstance(vocabulary, dict) and text in vocabulary) or any(
        isinstance(token, dict) and token.get("content") == text
        for token in (added if isinstance(added, list) else ())
    )

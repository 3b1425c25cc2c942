# SPDX-License-Identifier: Apache-2.0
"""The fields of tokenizer_config.json: which are honoured, which have no effect on a prompt.

The reference is transformers' `AutoTokenizer` with a tokenizer.json beside. A field that is on
neither list, or has a value that would change token ids or text, is refused by name.
"""

from collections.abc import Callable, Mapping
from typing import Any

from shard_runtime.errors import TokenizerUnsupported

STANDARD_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
"""The special tokens that every tokenizer may name. Other fields that end in _token add names."""

_HONOURED = frozenset(
    {
        *STANDARD_TOKENS,
        "added_tokens_decoder",
        "additional_special_tokens",
        "extra_special_tokens",
        "model_specific_special_tokens",
        "chat_template",
        "tokenizer_class",
        "add_prefix_space",
    }
)

_HARMLESS = frozenset(
    {
        # Lengths, sides and truncation of batches; prompts are neither cut nor filled.
        "max_len",
        "max_len_sentences_pair",
        "max_len_single_sentence",
        "max_length",
        "model_max_length",
        "pad_to_multiple_of",
        "pad_token_type_id",
        "padding",
        "padding_side",
        "stride",
        "truncation",
        "truncation_side",
        "truncation_strategy",
        # Where the tokenizer was loaded from, by what, and what for.
        "_commit_hash",
        "_from_auto",
        "_name_or_path",
        "backend",
        "device_map",
        "dtype",
        "files_loaded",
        "from_slow",
        "is_fast",
        "is_local",
        "language",
        "local_files_only",
        "merges_file",
        "model_type",
        "name_or_path",
        "processor_class",
        "revision",
        "special_tokens_map_file",
        "tokenizer_file",
        "tokenizer_type",
        "torch_dtype",
        "transformers_version",
        "trust_remote_code",
        "use_fast",
        "vocab_file",
        "vocab_size",
        # Settings of tokenizers that are not made from tokenizer.json.
        "add_bos_token",
        "add_eos_token",
        "errors",
        "keep_accents",
        "legacy",
        "sp_model_kwargs",
        "spaces_between_special_tokens",
        "use_default_system_prompt",
        # What else transformers does with messages and answers.
        "chat_control_tokens",
        "chat_template_kwargs",
        "model_input_names",
        "response_schema",
        "response_template",
        "return_token_type_ids",
        "trim_offsets",
        "verbose",
    }
)


def _is_off(value: Any) -> bool:
    return value is None or value is False or value == [] or value == {}


def _is_id(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _are_ids(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(_is_id, value)))


# Ids of tokens: transformers finds them by the tokens' texts.
_IDS = (
    *(f"{name}_id" for name in STANDARD_TOKENS),
    *("bos_id", "eos_id", "pad_id", "unk_id"),
)

# Fields that have no effect with these values.
_HARMLESS_VALUES: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(_IDS, lambda value: _is_id(value) or _are_ids(value)),
    "additional_special_tokens_ids": _are_ids,
    "auto_map": lambda value: (
        _is_off(value) or (isinstance(value, dict) and "AutoTokenizer" not in value)
    ),
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": _is_off,
    "continuing_subword_prefix": lambda value: value is None or value == "",
    "default_chat_template": lambda value: value is None,
    "do_lower_case": _is_off,
    "end_of_word_suffix": lambda value: value is None or value == "",
    "fast_tokenizer_files": _is_off,
    "fix_mistral_regex": _is_off,
    "init_inputs": _is_off,
    "normalizer": lambda value: value is None,
    "post_processor": lambda value: value is None,
    "remove_space": _is_off,
    "split_special_tokens": _is_off,
    "strip_accents": _is_off,
    "suffix_first": _is_off,
    "tokenize_chinese_chars": lambda value: value is None or isinstance(value, bool),
}


def check_config_fields(
    configuration: Mapping[str, Any], definition: Mapping[str, Any], file: str
) -> None:
    """Raises `TokenizerUnsupported`, naming the first field that is not understood.

    definition: the content of tokenizer.json.
    """
    for field, value in configuration.items():
        names_token = field.endswith("_token") and isinstance(value, str | dict | None)
        if field in _HONOURED or field in _HARMLESS or names_token:
            continue
        is_harmless = _HARMLESS_VALUES.get(field)
        if field == "clean_up_tokenization_spaces":
            # transformers ignores it for BPE.
            is_harmless = _is_off if _model_type(definition) != "BPE" else lambda _: True
        if is_harmless is None or not is_harmless(value):
            raise TokenizerUnsupported(file, f"its field {field} is {value!r:.80}")
    _check_prefix_space(configuration.get("add_prefix_space"), definition, file)


def _model_type(definition: Mapping[str, Any]) -> str:
    model = definition.get("model")
    return str(model.get("type", "BPE")) if isinstance(model, dict) else ""


def _check_prefix_space(value: Any, definition: Mapping[str, Any], file: str) -> None:
    adds = any(
        step.get("add_prefix_space") is True
        or step.get("type") == "Prepend"
        or (step.get("type") == "Metaspace" and step.get("prepend_scheme", "always") != "never")
        for part in ("normalizer", "pre_tokenizer")
        for step in _steps(definition.get(part))
    )
    if value is not None and value is not adds:
        raise TokenizerUnsupported(
            file, f"its field add_prefix_space is {value!r:.80}, but tokenizer.json says {adds}"
        )


def _steps(part: Any) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, out of their sequences."""
    if not isinstance(part, dict):
        return []
    inner = part.get("normalizers") or part.get("pretokenizers")
    if part.get("type") == "Sequence" and isinstance(inner, list):
        return [step for each in inner for step in _steps(each)]
    return [part]

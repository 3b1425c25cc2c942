# SPDX-License-Identifier: Apache-2.0
"""The fields that may stand in the `config.json` of every family.

They have no effect on the logits, with the values that are accepted here.
"""

from typing import Any

from shard_runtime.model_files.config.field_table import FieldTable, computed, no_effect, only

NULL = type(None)
INTEGER, FLOAT, FLAG, TEXT, LIST, OBJECT = (int,), (float,), (bool,), (str,), (list,), (dict,)
NUMBER = (int, float)
INTEGER_OR_NULL, NUMBER_OR_NULL = (int, NULL), (int, float, NULL)
FLOAT_OR_NULL, FLAG_OR_NULL, TEXT_OR_NULL = (float, NULL), (bool, NULL), (str, NULL)
LIST_OR_NULL, OBJECT_OR_NULL = (list, NULL), (dict, NULL)
_TOKENS_OR_NULL = (int, list, NULL)
_ANY = (int, float, bool, str, list, dict, NULL)


def is_share(value: Any) -> bool:
    """Probabilities of dropout, which is off at inference, and the spread of initial weights."""
    return value is None or 0 <= value <= 1


def _is_label_map(value: Any) -> bool:
    return value is None or all(
        key.isdecimal() and isinstance(label, str) for key, label in value.items()
    )


def _are_token_ids(value: Any) -> bool:
    return not isinstance(value, list) or all(type(each) is int for each in value)


_GENERATION = [
    "assistant_confidence_threshold",
    "assistant_lookbehind",
    "bad_words_ids",
    "begin_suppress_tokens",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "min_length",
    "no_repeat_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_scores",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict_in_generate",
    "suppress_tokens",
    "target_lookbehind",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
]
"""Settings of transformers' generate(). A request brings its own."""

_DTYPE = no_effect(TEXT_OR_NULL, only("float32", "bfloat16", "float16", None))
"""The precision of the files. That of the computation is the operator's choice."""

_ATTENTION = no_effect(TEXT_OR_NULL, only("eager", "sdpa", "flash_attention_2", None))
"""Implementations of the same attention."""

_NAMES_AND_NOTES = {
    name: no_effect(TEXT_OR_NULL)
    for name in (
        "transformers_version",
        "_name_or_path",
        "_model_name_or_path",  # written by transformers for a model read from GGUF
        "_commit_hash",
        "unsloth_version",
    )
}
EVERY_FAMILY: FieldTable = {
    **{name: no_effect(_ANY) for name in _GENERATION},
    "cache_implementation": no_effect(TEXT_OR_NULL, only("hybrid", "static", "dynamic", None)),
    **_NAMES_AND_NOTES,
    "model_type": no_effect(TEXT),
    "architectures": no_effect(LIST_OR_NULL),
    "auto_map": no_effect(OBJECT_OR_NULL),
    "transformers.js_config": no_effect(OBJECT),
    "task_specific_params": no_effect(OBJECT_OR_NULL),
    "tokenizer_class": no_effect(TEXT_OR_NULL),
    "unsloth_fixed": no_effect(FLAG),
    "quantization_config": no_effect((NULL,)),  # any other value was refused before
    "dtype": _DTYPE,
    "torch_dtype": _DTYPE,
    "attn_implementation": _ATTENTION,
    "_attn_implementation": _ATTENTION,
    "_attn_implementation_autoset": no_effect(FLAG),
    # Outputs beside the logits.
    "return_dict": no_effect(FLAG, only(True)),
    "output_hidden_states": no_effect(FLAG),
    "output_attentions": no_effect(FLAG, only(False)),
    "use_cache": no_effect(FLAG),
    # Tokens: the tokenizer's files and the end of an answer, read elsewhere.
    "bos_token_id": no_effect(INTEGER_OR_NULL),
    "eos_token_id": no_effect(_TOKENS_OR_NULL, _are_token_ids),
    "pad_token_id": computed(INTEGER_OR_NULL),
    "sep_token_id": no_effect(INTEGER_OR_NULL),
    "unk_token_id": no_effect(INTEGER_OR_NULL),
    "decoder_start_token_id": no_effect(INTEGER_OR_NULL),
    "prefix": no_effect((NULL,)),
    # Classification heads, which a decoder does not have.
    "id2label": no_effect(OBJECT_OR_NULL, _is_label_map),
    "label2id": no_effect(OBJECT_OR_NULL),
    "num_labels": no_effect(INTEGER),
    "_num_labels": no_effect(INTEGER),
    "problem_type": no_effect((NULL,)),
    "finetuning_task": no_effect((NULL,)),
    # Training.
    "initializer_range": no_effect(FLOAT, is_share),
    "gradient_checkpointing": no_effect(FLAG),
    "use_bfloat16": no_effect(FLAG),
    "tf_legacy_loss": no_effect(FLAG),
    "torchscript": no_effect(FLAG),
    # What a decoder without an encoder and without pruning has.
    "is_decoder": no_effect(FLAG),
    "is_encoder_decoder": no_effect(FLAG, only(False)),
    "tie_encoder_decoder": no_effect(FLAG, only(False)),
    "cross_attention_hidden_size": no_effect((NULL,)),
    "chunk_size_feed_forward": no_effect(INTEGER, only(0)),
    "pruned_heads": no_effect(OBJECT, only({})),
    "per_layer_config": no_effect((NULL,)),
}

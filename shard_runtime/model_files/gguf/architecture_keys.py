# SPDX-License-Identifier: Apache-2.0
"""The keys of a GGUF's metadata, by architecture: which are computed, and which have no effect.
Any other key, or value, is refused by name.

The rules are llama.cpp's (src/llama-model.cpp `load_hparams`, src/models/*.cpp `load_arch_hparams`,
src/llama-context.cpp), because GGUF files are made for it. A key that llama.cpp does not read for
an architecture has no effect there; it is accepted only where converters write it, and only with
values that say what is computed anyway. The keys of the tokenizer are in tokenizer_keys.py.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shard_runtime.errors import (
    ArchitectureUnsupported,
    ConfigFieldUnsupported,
    ModelFileInvalid,
)
from shard_runtime.model_files.config.field_table import (
    FieldTable,
    complete_fields,
    computed,
    no_effect,
    only,
    show_value,
)

_INTEGER, _FLOAT, _TEXT, _FLAG = (int,), (float,), (str,), (bool,)
_PER_LAYER = (int, list)
_REPEATED = ("feed_forward_length", "attention.head_count", "attention.head_count_kv")
"""Keys that may be a list of one number per layer; only equal numbers are computed."""

_EVERY: FieldTable = {
    "block_count": computed(_INTEGER),
    "context_length": computed(_INTEGER),
    "embedding_length": computed(_INTEGER),
    "feed_forward_length": computed(_PER_LAYER),
    "vocab_size": computed(_INTEGER),
    "attention.head_count": computed(_PER_LAYER),
    "attention.head_count_kv": computed(_PER_LAYER),
    "attention.key_length": computed(_INTEGER),
    "attention.value_length": computed(_INTEGER),
    "attention.causal": no_effect(_FLAG, only(True)),
    "use_parallel_residual": no_effect(_FLAG, only(False)),
    "tensor_data_layout": no_effect(_TEXT, only("Meta AI original pth")),
    "expert_count": no_effect(_INTEGER, only(0)),
    "expert_used_count": no_effect(_INTEGER, only(0)),
    "expert_shared_count": no_effect(_INTEGER, only(0)),
    "expert_group_count": no_effect(_INTEGER, only(0)),
    "expert_group_used_count": no_effect(_INTEGER, only(0)),
    "expert_gating_func": no_effect(_INTEGER, only(1)),  # softmax
    "expert_weights_norm": no_effect(_FLAG, only(True)),
    "expert_weights_scale": no_effect(_FLOAT, only(1.0)),
    "leading_dense_block_count": no_effect(_INTEGER, only(0)),
    "logit_scale": no_effect(_FLOAT, only(1.0)),
    "residual_scale": no_effect(_FLOAT, only(1.0)),
    "embedding_scale": no_effect(_FLOAT, only(1.0)),
    "attention.clamp_kqv": no_effect(_FLOAT, only(0.0)),
    "attention.max_alibi_bias": no_effect(_FLOAT, only(0.0)),
}
_RMS_NORM: FieldTable = {"attention.layer_norm_rms_epsilon": computed(_FLOAT)}
_ROTARY: FieldTable = {
    "rope.dimension_count": computed(_INTEGER),
    "rope.freq_base": computed(_FLOAT, 10000.0),
    "rope.scale_linear": computed(_FLOAT),
    "rope.scaling.type": computed(_TEXT, "linear"),
    "rope.scaling.factor": computed(_FLOAT),
    "rope.scaling.attn_factor": computed(_FLOAT),
    "rope.scaling.original_context_length": computed(_INTEGER),
    "rope.scaling.finetuned": no_effect(_FLAG),
    # llama.cpp does not read these for the architectures here: it computes with these values.
    "rope.scaling.yarn_beta_fast": no_effect(_FLOAT, only(32.0)),
    "rope.scaling.yarn_beta_slow": no_effect(_FLOAT, only(1.0)),
    "rope.scaling.yarn_ext_factor": no_effect(_FLOAT, only(1.0, -1.0)),
    "rope.scaling.yarn_attn_factor": no_effect(_FLOAT, only(1.0)),
    "rope.scaling.yarn_log_multiplier": no_effect(_FLOAT, only(0.0)),
}
_NO_WINDOW: FieldTable = {
    "attention.sliding_window": no_effect(_INTEGER),
    "attention.sliding_window_pattern": no_effect(_PER_LAYER),
}
"""llama.cpp computes no window for these architectures, whatever the file says."""
_WINDOW: FieldTable = {
    "attention.sliding_window": computed(_INTEGER),
    "attention.sliding_window_pattern": computed(_PER_LAYER),
    "attention.scale": computed(_FLOAT),
    "attention.key_length_swa": computed(_INTEGER),
    "attention.value_length_swa": computed(_INTEGER),
    "rope.dimension_count_swa": computed(_INTEGER),
    "rope.freq_base_swa": computed(_FLOAT),
    "final_logit_softcapping": computed(_FLOAT),
}

_EXPERTS: FieldTable = {
    "expert_count": computed(_INTEGER, 0),
    "expert_used_count": computed(_INTEGER, 0),
}

_COMMON: FieldTable = {**_EVERY, **_RMS_NORM, **_ROTARY}
KEYS: Mapping[str, FieldTable] = MappingProxyType(
    {
        "llama": {**_COMMON, **_NO_WINDOW, **_EXPERTS},
        "qwen2": {**_COMMON, **_NO_WINDOW},
        "qwen3": {**_COMMON, **_NO_WINDOW},
        "qwen3moe": {
            **_COMMON,
            **_NO_WINDOW,
            **_EXPERTS,
            "expert_feed_forward_length": computed(_INTEGER),
        },
        "gemma": {**_COMMON, **_NO_WINDOW},
        "gemma2": {**_COMMON, **_WINDOW, "attn_logit_softcapping": computed(_FLOAT)},
        "gemma3": {**_COMMON, **_WINDOW},
        # llama.cpp ignores Phi-3's window, with a warning; the models were trained with it.
        "phi3": {**_COMMON, "attention.sliding_window": computed(_INTEGER, 0)},
        "gpt2": {**_EVERY, "attention.layer_norm_epsilon": computed(_FLOAT)},
    }
)
"""By `general.architecture`; without the prefix."""

_NOTES = ("general.", "quantize.imatrix.", "mradermacher.", "tokenizer.", "split.")
_QUANTIZATION_VERSION = 2


def complete_metadata(metadata: Mapping[str, Any], architecture: str, file: str) -> dict[str, Any]:
    """The architecture's keys that are computed, with the defaults of absent ones.

    Raises `ArchitectureUnsupported`, `ConfigFieldUnsupported` naming the key, `ModelFileInvalid`.
    """
    if architecture not in KEYS:
        raise ArchitectureUnsupported(architecture, "the family is unknown")
    _check_general(metadata, architecture, file)
    own = {key: value for key, value in metadata.items() if not key.startswith(_NOTES)}
    table = {f"{architecture}.{name}": field for name, field in KEYS[architecture].items()}
    fields = complete_fields(table, own, architecture, file)
    for key in (f"{architecture}.{name}" for name in _REPEATED):
        if isinstance(fields.get(key), list):
            fields[key] = _in_every_layer(key, fields, architecture, file)
    return fields


def _in_every_layer(key: str, fields: Mapping[str, Any], architecture: str, file: str) -> Any:
    """The value that a list repeats for each layer."""
    values, layers = fields[key], fields.get(f"{architecture}.block_count")
    if len(values) != layers:
        raise ModelFileInvalid(file, f"{key} has {len(values)} values for {layers} layers")
    if values.count(values[0]) != len(values):
        raise ArchitectureUnsupported(architecture, f"{key} differs by layer: {show_value(values)}")
    return values[0]


def _check_general(metadata: Mapping[str, Any], architecture: str, file: str) -> None:
    """The two keys of `general.` that say what the tensors are; the others are notes."""
    for key, known in (("type", "model"), ("quantization_version", _QUANTIZATION_VERSION)):
        value = metadata.get(f"general.{key}", known)
        if value != known:
            raise ConfigFieldUnsupported(file, architecture, f"general.{key}", show_value(value))

# SPDX-License-Identifier: Apache-2.0
"""The fields of each family's `config.json`, one table for each `model_type`.

Types and defaults are those of the family's configuration class in transformers 5; a test compares
them. A family's table lists every field that may stand in its file: those that are computed, and
those that are known to have no effect on the logits.
"""

from shard_runtime.model_files.config.common_fields import (
    EVERY_FAMILY,
    FLAG,
    FLAG_OR_NULL,
    FLOAT,
    FLOAT_OR_NULL,
    INTEGER,
    INTEGER_OR_NULL,
    LIST_OR_NULL,
    NUMBER,
    NUMBER_OR_NULL,
    OBJECT_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    is_share,
)
from shard_runtime.model_files.config.field_table import (
    Field,
    FieldTable,
    computed,
    no_effect,
    only,
)


def _decoder(
    *,
    vocabulary: int,
    hidden: int,
    inner: int,
    layers: int,
    heads: int,
    groups: int,
    context: int,
    epsilon: float = 1e-6,
    theta: float = 10000.0,
    pad: int | None = None,
) -> dict[str, Field]:
    """The fields of every family but GPT-2."""
    return {
        **EVERY_FAMILY,
        "vocab_size": computed(INTEGER, vocabulary),
        "hidden_size": computed(INTEGER, hidden),
        "intermediate_size": computed(INTEGER, inner),
        "num_hidden_layers": computed(INTEGER, layers),
        "num_attention_heads": computed(INTEGER, heads),
        "num_key_value_heads": computed(INTEGER, groups),
        "max_position_embeddings": computed(INTEGER, context),
        "rms_norm_eps": computed(FLOAT, epsilon),
        "hidden_act": computed(TEXT, "silu"),
        "tie_word_embeddings": computed(FLAG, False),
        "rope_theta": computed(NUMBER, theta),
        "rope_parameters": computed(OBJECT_OR_NULL, None),
        "rope_scaling": computed(OBJECT_OR_NULL),
        "partial_rotary_factor": computed(NUMBER_OR_NULL),
        "original_max_position_embeddings": computed(NUMBER),
        "attention_dropout": no_effect(NUMBER, is_share),
        "pad_token_id": computed(INTEGER_OR_NULL, pad),
    }


_LLAMA: FieldTable = {
    **_decoder(
        vocabulary=32000,
        hidden=4096,
        inner=11008,
        layers=32,
        heads=32,
        groups=0,
        context=2048,
    ),
    "num_key_value_heads": computed(INTEGER_OR_NULL, None),
    "head_dim": computed(INTEGER_OR_NULL, None),
    "attention_bias": computed(FLAG, False),
    "mlp_bias": computed(FLAG, False),
    "attention_dropout": no_effect(NUMBER_OR_NULL, is_share),
    "pretraining_tp": no_effect(INTEGER_OR_NULL),  # slices products, whose sum is the same
    "is_llama_config": no_effect(FLAG, only(True)),
    "rope_interleaved": no_effect(FLAG, only(False)),
    "max_sequence_length": no_effect(INTEGER),  # of LLaMA-1's files; read by nothing
    "activation": no_effect(TEXT, only("swiglu")),  # what hidden_act's silu makes of this MLP
}
_MISTRAL_SIZES = _decoder(
    vocabulary=32000,
    hidden=4096,
    inner=14336,
    layers=32,
    heads=32,
    groups=8,
    context=131072,
)
_MISTRAL: FieldTable = {
    **_MISTRAL_SIZES,
    "head_dim": computed(INTEGER_OR_NULL, None),
    "sliding_window": computed(INTEGER_OR_NULL, 4096),
}
_MINISTRAL: FieldTable = {**_MISTRAL, "layer_types": computed(LIST_OR_NULL, None)}
_ROUTER_TRAINING = {
    "output_router_logits": no_effect(FLAG),
    "router_aux_loss_coef": no_effect(FLOAT),
}
_MIXTRAL: FieldTable = {
    **_MISTRAL_SIZES,
    **_ROUTER_TRAINING,
    "rms_norm_eps": computed(FLOAT, 1e-5),
    "rope_theta": computed(NUMBER, 1_000_000.0),
    "head_dim": computed(INTEGER_OR_NULL, None),
    "sliding_window": computed(INTEGER_OR_NULL, None),
    "num_experts_per_tok": computed(INTEGER, 2),
    "num_local_experts": computed(INTEGER, 8),
    "router_jitter_noise": no_effect(FLOAT),
}
_QWEN2: FieldTable = {
    **_decoder(
        vocabulary=151936,
        hidden=4096,
        inner=22016,
        layers=32,
        heads=32,
        groups=32,
        context=32768,
    ),
    "num_key_value_heads": computed(INTEGER_OR_NULL, 32),
    "head_dim": computed(INTEGER),
    "use_sliding_window": computed(FLAG, False),
    "sliding_window": computed(INTEGER_OR_NULL, 4096),
    "max_window_layers": computed(INTEGER, 28),
    "layer_types": computed(LIST_OR_NULL, None),
    "use_mrope": no_effect(FLAG, only(False)),
}
_QWEN3: FieldTable = {
    **_QWEN2,
    "head_dim": computed(INTEGER, 128),
    "attention_bias": computed(FLAG, False),
}
_QWEN3_MOE: FieldTable = {
    **_decoder(
        vocabulary=151936,
        hidden=2048,
        inner=6144,
        layers=24,
        heads=32,
        groups=4,
        context=32768,
    ),
    **_ROUTER_TRAINING,
    "head_dim": computed(INTEGER),
    "attention_bias": computed(FLAG, False),
    "use_sliding_window": computed(FLAG, False),
    "sliding_window": computed(INTEGER_OR_NULL, 4096),
    "max_window_layers": no_effect(INTEGER),  # this family's windows are the same in all layers
    "decoder_sparse_step": computed(INTEGER, 1),
    "moe_intermediate_size": computed(INTEGER, 768),
    "num_experts_per_tok": computed(INTEGER, 8),
    "num_experts": computed(INTEGER, 128),
    "norm_topk_prob": computed(FLAG, False),
    "mlp_only_layers": computed(LIST_OR_NULL, None),
    "qkv_bias": no_effect(FLAG, only(False)),
    "use_qk_norm": no_effect(FLAG, only(True)),
    "shared_expert_intermediate_size": no_effect(INTEGER, only(0)),
}
_GEMMA: FieldTable = {
    **_decoder(
        vocabulary=256000,
        hidden=3072,
        inner=24576,
        layers=28,
        heads=16,
        groups=16,
        context=8192,
        pad=0,
    ),
    "head_dim": computed(INTEGER, 256),
    "hidden_act": computed(TEXT, "gelu_pytorch_tanh"),
    # Of later versions' files: this family computes hidden_act.
    "hidden_activation": no_effect(TEXT_OR_NULL, only(None, "gelu_pytorch_tanh")),
    "tie_word_embeddings": computed(FLAG, True),
    "attention_bias": computed(FLAG, False),
    "use_bidirectional_attention": computed(FLAG_OR_NULL, None),
}
_GEMMA_2_OR_3: FieldTable = {
    **{name: field for name, field in _GEMMA.items() if name != "hidden_act"},
    "hidden_size": computed(INTEGER, 2304),
    "intermediate_size": computed(INTEGER, 9216),
    "num_hidden_layers": computed(INTEGER, 26),
    "num_attention_heads": computed(INTEGER, 8),
    "num_key_value_heads": computed(INTEGER, 4),
    "hidden_activation": computed(TEXT, "gelu_pytorch_tanh"),
    # Of earlier versions' files: these families compute hidden_activation.
    "hidden_act": no_effect(TEXT_OR_NULL, only(None, "gelu_pytorch_tanh")),
    "attention_dropout": no_effect(NUMBER_OR_NULL, is_share),
    "query_pre_attn_scalar": computed(INTEGER, 256),
    "sliding_window": computed(INTEGER_OR_NULL, 4096),
    "layer_types": computed(LIST_OR_NULL, None),
}
_EAGER_ATTENTION = no_effect(TEXT_OR_NULL, only("eager", "flash_attention_2", None))
"""Implementations that cap attention scores."""
_GEMMA2: FieldTable = {
    **_GEMMA_2_OR_3,
    "final_logit_softcapping": computed(FLOAT_OR_NULL, 30.0),
    "attn_logit_softcapping": computed(FLOAT_OR_NULL, 50.0),
    # Beside an equal sliding_window in Gemma 2 9B's file; read by nothing.
    "sliding_window_size": no_effect(INTEGER, only(4096)),
    "attn_implementation": _EAGER_ATTENTION,
    "_attn_implementation": _EAGER_ATTENTION,
}
_GEMMA3: FieldTable = {
    **_GEMMA_2_OR_3,
    "vocab_size": computed(INTEGER, 262208),
    "max_position_embeddings": computed(INTEGER, 131072),
    "rope_theta": computed(NUMBER, 1_000_000.0),
    "rope_local_base_freq": computed(NUMBER, 10_000.0),
    "sliding_window_pattern": computed(INTEGER, 6),
    "_sliding_window_pattern": computed(INTEGER),
    "final_logit_softcapping": computed(FLOAT_OR_NULL, None),
    "attn_logit_softcapping": computed(FLOAT_OR_NULL, None),
    "use_bidirectional_attention": computed(FLAG_OR_NULL, False),
}
_PHI3: FieldTable = {
    **_decoder(
        vocabulary=32064,
        hidden=3072,
        inner=8192,
        layers=32,
        heads=32,
        groups=0,
        context=4096,
        epsilon=1e-5,
        pad=32000,
    ),
    "num_key_value_heads": computed(INTEGER_OR_NULL, None),
    "head_dim": computed(INTEGER),
    "sliding_window": computed(INTEGER_OR_NULL, None),
    "original_max_position_embeddings": computed(INTEGER, 4096),
    "partial_rotary_factor": computed(NUMBER),
    "resid_pdrop": no_effect(NUMBER, is_share),
    "embd_pdrop": no_effect(NUMBER, is_share),
    # Phi-4's files say with these what this family always computes.
    **{
        name: no_effect(FLAG, only(False))
        for name in ("attention_bias", "mlp_bias", "lm_head_bias")
    },
    **{name: no_effect(INTEGER, only(1)) for name in ("full_attn_mod", "interpolate_factor")},
}
_GPT2: FieldTable = {
    **EVERY_FAMILY,
    "vocab_size": computed(INTEGER, 50257),
    "n_positions": computed(INTEGER, 1024),
    "n_embd": computed(INTEGER, 768),
    "n_layer": computed(INTEGER, 12),
    "n_head": computed(INTEGER, 12),
    "n_inner": computed(INTEGER_OR_NULL, None),
    "activation_function": computed(TEXT, "gelu_new"),
    "layer_norm_epsilon": computed(FLOAT, 1e-5),
    "tie_word_embeddings": computed(FLAG, True),
    "scale_attn_weights": computed(FLAG, True),
    "scale_attn_by_inverse_layer_idx": computed(FLAG, False),
    "add_cross_attention": computed(FLAG, False),
    "pad_token_id": computed(INTEGER_OR_NULL, None),
    "reorder_and_upcast_attn": no_effect(FLAG),  # the same sums, in float32
    "n_ctx": computed(INTEGER),
    "n_special": no_effect(INTEGER, only(0)),
    **{
        name: no_effect(NUMBER, is_share)
        for name in ("resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_first_dropout")
    },
    "summary_type": no_effect(TEXT),
    "summary_use_proj": no_effect(FLAG),
    "summary_activation": no_effect(TEXT_OR_NULL),
    "summary_proj_to_labels": no_effect(FLAG),
    "predict_special_tokens": no_effect(FLAG),
}

FAMILY_FIELDS: dict[str, FieldTable] = {
    "llama": _LLAMA,
    "mistral": _MISTRAL,
    "ministral": _MINISTRAL,
    "mixtral": _MIXTRAL,
    "qwen2": _QWEN2,
    "qwen3": _QWEN3,
    "qwen3_moe": _QWEN3_MOE,
    "gemma": _GEMMA,
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA3,
    "phi3": _PHI3,
    "gpt2": _GPT2,
}
"""By `model_type`."""

_WRAPPER: FieldTable = {
    **EVERY_FAMILY,
    "pad_token_id": no_effect(INTEGER_OR_NULL),
    "text_config": computed(OBJECT_OR_NULL, None),
    # Images, which a text request does not have.
    "vision_config": no_effect(OBJECT_OR_NULL),
    "image_token_index": no_effect(INTEGER),
    "image_token_id": no_effect(INTEGER),
}
WRAPPER_FIELDS: dict[str, FieldTable] = {
    "gemma3": {
        **_WRAPPER,
        "tie_word_embeddings": computed(FLAG_OR_NULL, True),
        "initializer_range": no_effect(FLOAT_OR_NULL, is_share),
        "image_token_index": no_effect(INTEGER_OR_NULL),
        "boi_token_index": no_effect(INTEGER_OR_NULL),
        "eoi_token_index": no_effect(INTEGER_OR_NULL),
        "boi_token_id": no_effect(INTEGER_OR_NULL),
        "eoi_token_id": no_effect(INTEGER_OR_NULL),
        "mm_tokens_per_image": no_effect(INTEGER_OR_NULL),
    },
    "mistral3": {
        **_WRAPPER,
        "tie_word_embeddings": computed(FLAG, True),
        "projector_hidden_act": no_effect(TEXT),
        "vision_feature_layer": no_effect((int, list)),
        "multimodal_projector_bias": no_effect(FLAG),
        "spatial_merge_size": no_effect(INTEGER),
    },
}
"""The fields beside the text model's, by the `model_type` of multimodal models."""

# SPDX-License-Identifier: Apache-2.0
"""Configs of tiny models of every family, with the fields that published files have."""

from typing import Any

Config = dict[str, Any]

VOCABULARY, LAYERS, CONTEXT = 97, 3, 64

_EVERY_FAMILY: Config = {
    "architectures": ["ForCausalLM"],
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "vocab_size": VOCABULARY,
    "initializer_range": 0.3,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.57.0",
    "use_cache": True,
}
_DECODER: Config = {
    **_EVERY_FAMILY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "hidden_act": "silu",
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-5,
    "attention_dropout": 0.0,
    "rope_theta": 5000.0,
}
_YARN: Config = {
    "type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 16,
    "mscale": 1.0,
    "mscale_all_dim": 0.7,
    "beta_fast": 32,
    "beta_slow": 1,
}
_LLAMA3: Config = {
    "rope_type": "llama3",
    "rope_theta": 7000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
_LINEAR: Config = {"rope_type": "linear", "factor": 2.0}
_GEMMA: Config = {
    **_DECODER,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": "gelu_pytorch_tanh",
    "tie_word_embeddings": True,
    "attention_bias": False,
    "use_bidirectional_attention": None,
    "cache_implementation": "hybrid",
}
_GEMMA_2_OR_3: Config = {
    **_GEMMA,
    "query_pre_attn_scalar": 12,
    "sliding_window": 7,
    "final_logit_softcapping": 20.0,
}
_GEMMA3: Config = {
    **_GEMMA_2_OR_3,
    "model_type": "gemma3_text",
    "attn_logit_softcapping": None,
    "rope_theta": 1000000.0,
    "rope_local_base_freq": 10000.0,
    "rope_scaling": _LINEAR,
    "sliding_window_pattern": 2,
}
_EXPERTS: Config = {
    "num_experts_per_tok": 2,
    "output_router_logits": False,
    "router_aux_loss_coef": 0.001,
}
_MISTRAL: Config = {**_DECODER, "model_type": "mistral", "sliding_window": 7}
_WINDOWED: Config = {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}
_KINDS = ["sliding_attention", "full_attention", "sliding_attention"]

BASES: dict[str, Config] = {
    "llama": {
        **_DECODER,
        "model_type": "llama",
        "attention_bias": True,
        "mlp_bias": False,
        "pretraining_tp": 1,
        "rope_scaling": None,
        "is_llama_config": True,
        "rope_interleaved": False,
    },
    "llama, written by transformers 5": {
        **{name: value for name, value in _DECODER.items() if name != "rope_theta"},
        "model_type": "llama",
        "rope_parameters": _LLAMA3,
        "mlp_bias": True,
    },
    "mistral": {**_MISTRAL, "rope_scaling": _YARN},
    "ministral": {**_MISTRAL, "model_type": "ministral", "layer_types": _KINDS},
    "mixtral": {
        **_DECODER,
        **_EXPERTS,
        "model_type": "mixtral",
        "num_local_experts": 4,
        "sliding_window": None,
        "router_jitter_noise": 0.0,
        "rope_parameters": _LINEAR,
    },
    "qwen2": {
        **{name: value for name, value in _DECODER.items() if name != "head_dim"},
        **_WINDOWED,
        "model_type": "qwen2",
        "rope_scaling": _YARN,
        "use_mrope": False,
    },
    "qwen3": {
        **_DECODER,
        "model_type": "qwen3",
        "attention_bias": False,
        "use_sliding_window": False,
        "sliding_window": None,
        "max_window_layers": 36,
        "layer_types": ["full_attention"] * LAYERS,
    },
    "qwen3 with windows": {**_DECODER, **_WINDOWED, "model_type": "qwen3"},
    "qwen3_moe": {
        **_DECODER,
        **_EXPERTS,
        "model_type": "qwen3_moe",
        "attention_bias": False,
        "num_experts": 4,
        "moe_intermediate_size": 16,
        "decoder_sparse_step": 2,
        "mlp_only_layers": [0],
        "norm_topk_prob": True,
        "use_sliding_window": False,
        "sliding_window": 7,
        "max_window_layers": 48,
        "shared_expert_intermediate_size": 0,
    },
    "gemma": {**_GEMMA, "model_type": "gemma", "hidden_act": "gelu"},
    "gemma2": {
        **_GEMMA_2_OR_3,
        "model_type": "gemma2",
        "attn_logit_softcapping": 5.0,
        "rope_scaling": {**_LLAMA3, "type": "llama3"},
    },
    "gemma3_text": _GEMMA3,
    "gemma3_text, written by transformers 5": {
        **{
            name: value
            for name, value in _GEMMA3.items()
            if name not in ("rope_theta", "rope_local_base_freq", "rope_scaling")
        },
        "_sliding_window_pattern": 6,
        "layer_types": _KINDS,
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
    },
    "gemma3": {
        "model_type": "gemma3",
        "architectures": ["Gemma3ForConditionalGeneration"],
        "boi_token_index": 255999,
        "eoi_token_index": 256000,
        "image_token_index": 262144,
        "initializer_range": 0.02,
        "mm_tokens_per_image": 256,
        "torch_dtype": "bfloat16",
        "eos_token_id": [1, 106],
        "text_config": _GEMMA3,
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 16},
    },
    "mistral3": {
        "model_type": "mistral3",
        "image_token_index": 10,
        "multimodal_projector_bias": False,
        "projector_hidden_act": "gelu",
        "spatial_merge_size": 2,
        "vision_feature_layer": -1,
        "tie_word_embeddings": False,
        "text_config": _MISTRAL,
        "vision_config": {"model_type": "pixtral", "hidden_size": 16, "num_attention_heads": 2},
    },
    "phi3": {
        **{name: value for name, value in _DECODER.items() if name != "head_dim"},
        "model_type": "phi3",
        "original_max_position_embeddings": 32,
        "partial_rotary_factor": 0.75,
        "rope_scaling": {
            "type": "longrope",
            "short_factor": [1.0, 1.25, 1.5],
            "long_factor": [1.5, 3.0, 5.0],
        },
        "sliding_window": 7,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attention_bias": False,
        "lm_head_bias": False,
        "mlp_bias": False,
        "full_attn_mod": 1,
        "interpolate_factor": 1,
    },
    "gpt2": {
        **_EVERY_FAMILY,
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "attn_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "resid_pdrop": 0.1,
        "layer_norm_epsilon": 1e-5,
        "n_ctx": CONTEXT,
        "n_positions": CONTEXT,
        "n_embd": 32,
        "n_head": 4,
        "n_layer": LAYERS,
        "n_inner": 48,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "add_cross_attention": False,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "tie_word_embeddings": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    },
}

# SPDX-License-Identifier: Apache-2.0
"""The fields of published files: none is refused, though most have no effect.

given all fields of a published model's config.json
    it should be read, with transformers' values
"""

import json
from pathlib import Path
from typing import Any

import pytest

from shard_runtime.model_files.config.config_json import read_config_json
from tests.shard_runtime.model_files.config.reference import read_theirs

Config = dict[str, Any]


def sizes(*numbers: int) -> Config:
    """Hidden and MLP size, layers, heads, key-value heads, context, vocabulary."""
    names = "hidden_size intermediate_size num_hidden_layers num_attention_heads"
    names += " num_key_value_heads max_position_embeddings vocab_size"
    return dict(zip(names.split(), numbers, strict=True)) | {
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.42.3",
        "use_cache": True,
    }


PUBLISHED: dict[str, Config] = {
    "SmolLM2 135M Instruct": {
        **sizes(576, 1536, 30, 9, 3, 8192, 49152),
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "is_llama_config": True,
        "mlp_bias": False,
        "pad_token_id": 2,
        "pretraining_tp": 1,
        "rope_interleaved": False,
        "rope_scaling": None,
        "rope_theta": 100000,
        "tie_word_embeddings": True,
        "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}},
    },
    "SmolLM2 135M, saved by transformers from GGUF": {
        **sizes(576, 1536, 30, 9, 3, 8192, 49152),
        "_model_name_or_path": "Smollm2 135M 8k Lc100K Mix1 Ep2",
        "model_type": "llama",
        "head_dim": 64,
        "rope_parameters": {"rope_theta": 100000.0, "rope_type": "default"},
        "tie_word_embeddings": True,
        "unk_token_id": 0,
    },
    "Llama 2 13B": {
        **sizes(5120, 13824, 40, 40, 40, 4096, 32000),
        "model_type": "llama",
        "_name_or_path": "meta-llama/Llama-2-13b-hf",
        "activation": "swiglu",
        "max_length": 4096,
        "max_sequence_length": 4096,
        "pad_token_id": 0,
        "pretraining_tp": 2,
        "rope_scaling": None,
        "torch_dtype": "float16",
    },
    "Llama 3.1 8B": {
        **sizes(4096, 14336, 32, 32, 8, 131072, 128256),
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "eos_token_id": [128001, 128008, 128009],
        "head_dim": 128,
        "mlp_bias": False,
        "pretraining_tp": 1,
        "rope_scaling": {
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
    },
    "Yarn Mistral 7B 128k": {
        **sizes(4096, 14336, 32, 32, 8, 131072, 32000),
        "model_type": "mistral",
        "rope_scaling": {
            "factor": 16.0,
            "finetuned": True,
            "original_max_position_embeddings": 8192,
            "type": "yarn",
        },
        "rope_theta": 10000.0,
        "sliding_window": 131072,
    },
    "Qwen2.5 7B Instruct": {
        **sizes(3584, 18944, 28, 28, 4, 32768, 152064),
        "model_type": "qwen2",
        "attention_dropout": 0.0,
        "max_window_layers": 28,
        "rope_theta": 1000000.0,
        "sliding_window": 131072,
        "use_mrope": False,
        "use_sliding_window": False,
    },
    "Qwen3 Coder 30B A3B": {
        **sizes(2048, 5472, 48, 32, 4, 262144, 151936),
        "model_type": "qwen3_moe",
        "decoder_sparse_step": 1,
        "head_dim": 128,
        "max_window_layers": 28,
        "mlp_only_layers": [],
        "moe_intermediate_size": 768,
        "norm_topk_prob": True,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "output_router_logits": False,
        "qkv_bias": False,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 10000000,
        "router_aux_loss_coef": 0.0,
        "shared_expert_intermediate_size": 0,
        "sliding_window": None,
        "use_qk_norm": True,
        "use_sliding_window": False,
    },
    "Gemma 2B": {
        **sizes(2048, 16384, 18, 8, 1, 8192, 256000),
        "model_type": "gemma",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "head_dim": 256,
        "hidden_act": "gelu",
        "hidden_activation": None,
        "pad_token_id": 0,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
    },
    "Gemma 2 9B": {
        **sizes(3584, 14336, 42, 16, 8, 8192, 256000),
        "model_type": "gemma2",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_logit_softcapping": 50.0,
        "cache_implementation": "hybrid",
        "final_logit_softcapping": 30.0,
        "head_dim": 256,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "pad_token_id": 0,
        "query_pre_attn_scalar": 256,
        "rope_theta": 10000.0,
        "sliding_window": 4096,
        "sliding_window_size": 4096,
        "tie_word_embeddings": True,
    },
    "Gemma 3 270M": {
        **sizes(640, 2048, 18, 4, 1, 32768, 262144),
        "model_type": "gemma3_text",
        "_sliding_window_pattern": 6,
        "attn_logit_softcapping": None,
        "cache_implementation": "hybrid",
        "final_logit_softcapping": None,
        "head_dim": 256,
        "hidden_act": None,
        "hidden_activation": "gelu_pytorch_tanh",
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 3,
        "query_pre_attn_scalar": 256,
        "rope_local_base_freq": 10000.0,
        "rope_scaling": None,
        "rope_theta": 1000000.0,
        "sliding_window": 512,
        "tie_word_embeddings": True,
        "use_bidirectional_attention": False,
    },
    "Phi-3 mini 4k": {
        **sizes(3072, 8192, 32, 32, 32, 4096, 32064),
        "model_type": "phi3",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"},
        "embd_pdrop": 0.0,
        "original_max_position_embeddings": 4096,
        "pad_token_id": 32000,
        "resid_pdrop": 0.0,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "sliding_window": 2047,
    },
    "Phi-4 mini": {
        **sizes(3072, 8192, 32, 24, 8, 131072, 200064),
        "model_type": "phi3",
        "attention_bias": False,
        "embd_pdrop": 0.0,
        "full_attn_mod": 1,
        "interpolate_factor": 1,
        "lm_head_bias": False,
        "mlp_bias": False,
        "original_max_position_embeddings": 4096,
        "pad_token_id": 199999,
        "partial_rotary_factor": 0.75,
        "resid_pdrop": 0.0,
        "rope_scaling": {"long_factor": [2] * 48, "short_factor": [1.0] * 48, "type": "longrope"},
        "rope_theta": 10000.0,
        "sliding_window": 262144,
    },
    "DistilGPT-2": {
        "model_type": "gpt2",
        "_num_labels": 1,
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": 50256,
        "embd_pdrop": 0.1,
        "eos_token_id": 50256,
        "id2label": {"0": "LABEL_0"},
        "initializer_range": 0.02,
        "label2id": {"LABEL_0": 0},
        "layer_norm_epsilon": 1e-05,
        "n_ctx": 1024,
        "n_embd": 768,
        "n_head": 12,
        "n_layer": 6,
        "n_positions": 1024,
        "n_special": 0,
        "resid_pdrop": 0.1,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
        "vocab_size": 50257,
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_read__published_file__has_the_values_of_transformers(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED[name]))
    actual, theirs = read_config_json(tmp_path / "config.json"), read_theirs(tmp_path)
    assert actual.layer_count == theirs.num_hidden_layers
    assert actual.hidden_size == theirs.hidden_size
    assert actual.vocabulary_size == theirs.vocab_size
    assert actual.context_length == theirs.max_position_embeddings
    assert actual.tied_embedding == theirs.tie_word_embeddings
    if actual.positions == "rotary":
        rope = theirs.rope_parameters
        rope = rope.get("full_attention", rope)
        assert (actual.rope_theta, actual.rope_scaling.kind) == (
            rope["rope_theta"],
            rope["rope_type"],
        )

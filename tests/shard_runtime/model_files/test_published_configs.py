# SPDX-License-Identifier: Apache-2.0
"""Published configurations, with the field names of older versions of transformers.

given the config.json of a published model
    it should be read as transformers reads it
"""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from shard_runtime import open_model, split_layers
from shard_runtime.architecture import Architecture

GEMMA2_27B = {
    "model_type": "gemma2",
    "attention_bias": False,
    "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0,
    "head_dim": 128,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 4608,
    "intermediate_size": 36864,
    "max_position_embeddings": 8192,
    "num_attention_heads": 32,
    "num_hidden_layers": 46,
    "num_key_value_heads": 16,
    "query_pre_attn_scalar": 144,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
    "vocab_size": 256000,
}
GEMMA3_4B = {
    "model_type": "gemma3",
    "eos_token_id": [1, 106],
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
    "vision_config": {"model_type": "siglip_vision_model"},
}
PHI4_MINI = {
    "model_type": "phi3",
    "hidden_act": "silu",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "max_position_embeddings": 131072,
    "num_attention_heads": 24,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "original_max_position_embeddings": 4096,
    "partial_rotary_factor": 0.75,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {
        "long_factor": [1.0 + index for index in range(48)],
        "short_factor": [1.0] * 48,
        "type": "longrope",
    },
    "rope_theta": 10000.0,
    "sliding_window": 262144,
    "tie_word_embeddings": True,
    "vocab_size": 200064,
}
MIXTRAL_8X7B = {
    "model_type": "mixtral",
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "num_attention_heads": 32,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "vocab_size": 32000,
}
QWEN3_30B_A3B = {
    "model_type": "qwen3_moe",
    "attention_bias": False,
    "decoder_sparse_step": 1,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "max_position_embeddings": 40960,
    "max_window_layers": 48,
    "mlp_only_layers": [],
    "moe_intermediate_size": 768,
    "norm_topk_prob": True,
    "num_attention_heads": 32,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 48,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
MISTRAL_SMALL_3_1 = {
    "model_type": "mistral3",
    "text_config": {
        "head_dim": 128,
        "hidden_act": "silu",
        "hidden_size": 5120,
        "intermediate_size": 32768,
        "max_position_embeddings": 131072,
        "model_type": "mistral",
        "num_attention_heads": 32,
        "num_hidden_layers": 40,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000000.0,
        "sliding_window": None,
        "vocab_size": 131072,
    },
    "vision_config": {"model_type": "pixtral"},
}
GPT2 = {
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-05,
    "n_ctx": 1024,
    "n_embd": 768,
    "n_head": 12,
    "n_layer": 12,
    "n_positions": 1024,
    "vocab_size": 50257,
}


def read(config: dict[str, Any], folder: Path) -> tuple[Architecture, Any]:
    """The architecture that is read, and the text config that transformers reads, tied as the whole
    model is.
    """
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    theirs = AutoConfig.from_pretrained(folder)
    text = theirs.get_text_config()
    text.tie_word_embeddings = theirs.tie_word_embeddings
    return open_model(folder).architecture, text


@pytest.mark.parametrize(
    "config",
    [GEMMA2_27B, GEMMA3_4B, PHI4_MINI, MIXTRAL_8X7B, QWEN3_30B_A3B, MISTRAL_SMALL_3_1, GPT2],
    ids=[
        "Gemma 2 27B",
        "Gemma 3 4B",
        "Phi-4 mini",
        "Mixtral 8x7B",
        "Qwen3 30B A3B",
        "Mistral Small 3.1",
        "GPT-2",
    ],
)
def test_open__published_config__is_read_as_transformers_reads_it(
    config: dict[str, Any], tmp_path: Path
) -> None:
    actual, theirs = read(config, tmp_path)
    assert actual.layer_count == theirs.num_hidden_layers
    assert actual.hidden_size == theirs.hidden_size
    assert actual.head_count == theirs.num_attention_heads
    assert actual.vocabulary_size == theirs.vocab_size
    assert actual.context_length == theirs.max_position_embeddings
    assert actual.tied_embedding == theirs.tie_word_embeddings
    assert len(split_layers(actual, 3)) == 3
    if actual.positions == "rotary":
        rope = theirs.rope_parameters
        rope = rope.get("full_attention", rope)
        assert actual.kv_head_count == theirs.num_key_value_heads
        assert actual.rope_theta == rope["rope_theta"]
        assert actual.rope_scaling.kind == rope["rope_type"]
        kinds = getattr(theirs, "layer_types", None) or ["full_attention"] * actual.layer_count
        if config is not PHI4_MINI:  # its window is longer than its context
            assert [bool(window) for window in actual.windows] == [
                kind == "sliding_attention" for kind in kinds
            ]


def test_open__gemma3_4b__has_defaults_for_missing_fields(tmp_path: Path) -> None:
    actual, _ = read(GEMMA3_4B, tmp_path)
    assert (actual.head_count, actual.kv_head_count, actual.head_size) == (8, 4, 256)
    assert actual.vocabulary_size == 262208
    assert (actual.local_rope_theta, actual.rope_scaling.factor) == (10000.0, 8.0)
    assert actual.windows[:7] == (1024, 1024, 1024, 1024, 1024, 0, 1024)


def test_open__phi4_mini__rotates_three_quarters(tmp_path: Path) -> None:
    actual, theirs = read(PHI4_MINI, tmp_path)
    assert (actual.head_size, actual.rotary_size) == (128, 96)
    assert actual.rope_scaling.factor == 32.0
    assert actual.rope_scaling.attention_factor == pytest.approx(1.1902380714)
    assert theirs.rope_parameters["original_max_position_embeddings"] == 4096

# SPDX-License-Identifier: Apache-2.0
"""Small models with random weights, and what transformers makes of a prompt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MinistralConfig,
    MinistralForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

LAYERS = 6
VOCABULARY = 199
CONTEXT = 128
ORIGINAL_CONTEXT = 64
"""Beyond which longrope turns by other factors."""

SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
    # Large enough that the two likeliest tokens are far apart, compared with float32's rounding.
    "initializer_range": 0.3,
}

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN_ROPE = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 32,
}
LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0, 1.25, 1.5],
    "long_factor": [1.5, 3.0, 5.0],
    "partial_rotary_factor": 0.75,
    "original_max_position_embeddings": ORIGINAL_CONTEXT,
}
TWO_OF_FOUR = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}
GPT2_SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "n_embd": 48,
    "n_layer": LAYERS,
    "n_head": 6,
    "n_positions": CONTEXT,
    "bos_token_id": None,
    "eos_token_id": None,
    "initializer_range": 0.3,
}

MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "llama tied": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=True)),
    "llama with biases and head size 16": lambda: LlamaForCausalLM(
        LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True, head_dim=16)
    ),
    "llama with linear scaling": lambda: LlamaForCausalLM(
        LlamaConfig(
            **SHAPE, rope_parameters={"rope_type": "linear", "rope_theta": 5000.0, "factor": 2.0}
        )
    ),
    "llama with llama3 scaling": lambda: LlamaForCausalLM(
        LlamaConfig(**SHAPE, rope_parameters=LLAMA3_ROPE)
    ),
    "llama with yarn scaling": lambda: LlamaForCausalLM(
        LlamaConfig(**SHAPE, rope_parameters=YARN_ROPE)
    ),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=None, head_dim=8)),
    "mistral with a window": lambda: MistralForCausalLM(
        MistralConfig(**SHAPE, sliding_window=7, head_dim=8)
    ),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
    "qwen2 with windows from layer 3": lambda: Qwen2ForCausalLM(
        Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=7, max_window_layers=3)
    ),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=24)),
    "ministral": lambda: MinistralForCausalLM(
        MinistralConfig(
            **SHAPE,
            head_dim=8,
            sliding_window=7,
            layer_types=["sliding_attention", "full_attention"] * 3,
        )
    ),
    "gemma": lambda: GemmaForCausalLM(GemmaConfig(**SHAPE, head_dim=16)),
    "gemma2": lambda: Gemma2ForCausalLM(
        Gemma2Config(
            **SHAPE,
            head_dim=16,
            sliding_window=7,
            query_pre_attn_scalar=12,
            attn_logit_softcapping=5.0,
            final_logit_softcapping=20.0,
        )
    ),
    "gemma3": lambda: Gemma3ForCausalLM(
        Gemma3TextConfig(
            **SHAPE, head_dim=16, sliding_window=7, query_pre_attn_scalar=16, rope_parameters=None
        )
    ),
    "gemma3 with linear scaling and a pattern of 3": lambda: Gemma3ForCausalLM(
        Gemma3TextConfig(
            **SHAPE,
            head_dim=16,
            sliding_window=7,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2,
            final_logit_softcapping=20.0,
            rope_parameters={
                "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        )
    ),
    "phi3": lambda: Phi3ForCausalLM(Phi3Config(**SHAPE)),
    "phi3 with longrope, partial rotation and a window": lambda: Phi3ForCausalLM(
        Phi3Config(
            **SHAPE,
            sliding_window=7,
            original_max_position_embeddings=ORIGINAL_CONTEXT,
            rope_parameters=LONG_ROPE,
        )
    ),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**GPT2_SHAPE)),
    "mixtral": lambda: MixtralForCausalLM(
        MixtralConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=2)
    ),
    "mixtral with a window": lambda: MixtralForCausalLM(
        MixtralConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=2, sliding_window=7)
    ),
    "qwen3 moe": lambda: Qwen3MoeForCausalLM(
        Qwen3MoeConfig(**SHAPE, **TWO_OF_FOUR, head_dim=8, num_experts=4, norm_topk_prob=True)
    ),
    "qwen3 moe with dense layers": lambda: Qwen3MoeForCausalLM(
        Qwen3MoeConfig(
            **SHAPE,
            **TWO_OF_FOUR,
            head_dim=8,
            num_experts=4,
            decoder_sparse_step=2,
            mlp_only_layers=[3],
        )
    ),
}


def build(name: str) -> PreTrainedModel:
    """The same random weights every time; biases and norms are not left at their zeros and ones."""
    torch.manual_seed(20261122)
    model: PreTrainedModel = MODELS[name]()
    model.train(False)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def save(name: str, folder: Path) -> PreTrainedModel:
    """`folder` holds what `save_pretrained` writes: config.json and model.safetensors."""
    model = build(name)
    model.save_pretrained(folder)
    return model


def prompt_of(length: int, seed: int = 0) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, VOCABULARY, (length,), generator=generator).tolist())


@torch.no_grad()
def greedy(model: PreTrainedModel, prompt: tuple[int, ...], count: int) -> tuple[int, ...]:
    """What the unsplit model says, without a cache: every token from the whole text before it."""
    tokens = list(prompt)
    for _ in range(count):
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0, -1]
        tokens.append(int(logits.argmax()))
    return tuple(tokens[len(prompt) :])

# SPDX-License-Identifier: Apache-2.0
"""A Llama of four layers with random weights and a tokenizer of a few words, as files. Needs no
transformers.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

LAYERS, HIDDEN, INNER, HEADS, VOCABULARY, CONTEXT = 4, 32, 48, 4, 97, 256
TEMPLATE = "{% for message in messages %}{{ message.content }} {% endfor %}"


def save_tiny_llama(folder: Path) -> None:
    """The same files every time."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {f"w{number}": number for number in range(VOCABULARY)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    (folder / "config.json").write_text(json.dumps(_config()))
    save_file(_weights(), folder / "model.safetensors", metadata={"format": "pt"})


def _config() -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "torch_dtype": "float32",
    }


def _weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(20261122)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=generator) * 0.3

    weights = {
        "model.embed_tokens.weight": matrix(VOCABULARY, HIDDEN),
        "model.norm.weight": torch.ones(HIDDEN),
        "lm_head.weight": matrix(VOCABULARY, HIDDEN),
    }
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{name}.{norm}.weight"] = torch.ones(HIDDEN)
        for projection in ("q_proj", "k_proj", "v_proj", "o_proj"):
            weights[f"{name}.self_attn.{projection}.weight"] = matrix(HIDDEN, HIDDEN)
        weights[f"{name}.mlp.gate_proj.weight"] = matrix(INNER, HIDDEN)
        weights[f"{name}.mlp.up_proj.weight"] = matrix(INNER, HIDDEN)
        weights[f"{name}.mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
    return weights

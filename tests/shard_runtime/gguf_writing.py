# SPDX-License-Identifier: Apache-2.0
"""GGUF files out of transformers' models, as llama.cpp's converter would write them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import torch
from gguf.quants import dequantize, quantize
from transformers import PreTrainedModel

F32 = gguf.GGMLQuantizationType.F32

ARCHITECTURES = {
    "mistral": "llama",
    "mixtral": "llama",
    "qwen3_moe": "qwen3moe",
    "gemma3_text": "gemma3",
}
REORDERED, RAISED = ("llama",), ("gemma", "gemma2", "gemma3")

OUTSIDE = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
}
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp",
    "ln_1": "attn_norm",
    "ln_2": "ffn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
LATER_GEMMA_NAMES = NAMES | {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def gguf_name(name: str, architecture: str) -> str:
    """`model.layers.3.self_attn.q_proj.weight` → `blk.3.attn_q.weight`."""
    part, kind = name.rsplit(".", 1)
    if part in OUTSIDE:
        return f"{OUTSIDE[part]}.{kind}"
    _, _, layer, rest = part.split(".", 3)
    names = LATER_GEMMA_NAMES if architecture in ("gemma2", "gemma3") else NAMES
    return f"blk.{layer}.{names[rest]}.{kind}"


def side_by_side(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """llama's rotary pairs (j, j + D/2) of each head next to each other."""
    rows = weight.shape[0]
    paired = weight.reshape(heads, 2, rows // heads // 2, -1).transpose(1, 2)
    return paired.reshape(weight.shape)


def quantized_in_place(model: PreTrainedModel, kind: gguf.GGMLQuantizationType) -> None:
    """Leave in the model what a file of that quantization would hold."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if is_quantized(name, parameter):
                stored = parameter.T if is_transposed(name, parameter) else parameter
                raw = quantize(stored.contiguous().numpy(), kind)
                stored.copy_(torch.from_numpy(dequantize(raw, kind)))


def is_quantized(name: str, tensor: torch.Tensor) -> bool:
    """Matrices and stacks of them; routers and positions stay in float32."""
    return tensor.dim() >= 2 and not name.endswith(("mlp.gate.weight", "wpe.weight"))


def is_transposed(name: str, tensor: torch.Tensor) -> bool:
    """GPT-2's matrices, (in, out) in transformers and (out, in) in GGUF."""
    return name.startswith("transformer.h.") and tensor.dim() == 2


def converted(
    model: PreTrainedModel, architecture: str, *, experts_apart: bool = False
) -> Iterator[tuple[str, str, torch.Tensor]]:
    """(transformers' name, GGUF's name, numbers as the converter leaves them)."""
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        if ".experts." in name:
            yield from _experts(name, tensor, experts_apart)
        else:
            yield name, gguf_name(name, architecture), _numbers(model, architecture, name, tensor)


def _numbers(
    model: PreTrainedModel, architecture: str, name: str, tensor: torch.Tensor
) -> torch.Tensor:
    config: Any = model.config
    if architecture in REORDERED and ".q_proj." in name:
        return side_by_side(tensor, config.num_attention_heads)
    if architecture in REORDERED and ".k_proj." in name:
        return side_by_side(tensor, config.num_key_value_heads)
    if architecture in RAISED and name.endswith("norm.weight"):
        return tensor + 1
    return tensor.T if is_transposed(name, tensor) else tensor


def _experts(
    name: str, tensor: torch.Tensor, apart: bool
) -> Iterator[tuple[str, str, torch.Tensor]]:
    layer = name.split(".")[2]
    halves = {"down": tensor}
    if name.endswith("gate_up_proj"):
        halves = dict(zip(("gate", "up"), tensor.chunk(2, dim=1), strict=True))
    for part, stack in halves.items():
        if not apart:
            yield name, f"blk.{layer}.ffn_{part}_exps.weight", stack
            continue
        for expert, one in enumerate(stack):
            yield name, f"blk.{layer}.ffn_{part}.{expert}.weight", one


def write_gguf(
    model: PreTrainedModel,
    path: Path,
    *,
    kind: gguf.GGMLQuantizationType = F32,
    rope_divisors: torch.Tensor | None = None,
    experts_apart: bool = False,
    **metadata: Any,
) -> None:
    """Matrices in `kind`, vectors in float32; `metadata` may override or add numbers.

    experts_apart: one tensor for each expert, as Mixtral was converted at first.
    """
    config: Any = model.config
    architecture = ARCHITECTURES.get(config.model_type, config.model_type)
    writer = gguf.GGUFWriter(path, architecture)
    _write_sizes(writer, config)
    for key, value in (_family_metadata(architecture, config) | metadata).items():
        adders = {float: writer.add_float32, str: writer.add_string}
        adders.get(type(value), writer.add_uint32)(
            f"{architecture}.{key.replace('__', '.')}", value
        )
    if rope_divisors is not None:
        writer.add_tensor("rope_freqs.weight", rope_divisors.numpy())
    _write_longrope(writer, config)
    for name, called, tensor in converted(model, architecture, experts_apart=experts_apart):
        numbers = tensor.contiguous().numpy()
        if kind != F32 and is_quantized(name, tensor):
            writer.add_tensor(called, quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(called, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_sizes(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    writer.add_feed_forward_length(inner)
    writer.add_head_count(config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    if config.model_type == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_head_count_kv(config.num_key_value_heads)
    head_size = getattr(config, "head_dim", None)
    if head_size:
        writer.add_key_length(head_size)
        writer.add_value_length(head_size)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])


def _write_longrope(writer: gguf.GGUFWriter, config: Any) -> None:
    rope = getattr(config, "rope_parameters", None) or {}
    for length in ("long", "short") if rope.get("rope_type") == "longrope" else ():
        divisors = torch.tensor(rope[f"{length}_factor"]).numpy()
        writer.add_tensor(f"rope_factors_{length}.weight", divisors)


def _family_metadata(architecture: str, config: Any) -> dict[str, Any]:
    if config.model_type in ("mixtral", "qwen3_moe"):
        sizes = {
            "expert_count": config.num_experts,
            "expert_used_count": config.num_experts_per_tok,
        }
        inner = getattr(config, "moe_intermediate_size", None)
        return sizes | ({"expert_feed_forward_length": inner} if inner else {})
    if architecture == "gemma2":
        return {
            "attention__sliding_window": config.sliding_window,
            "attn_logit_softcapping": float(config.attn_logit_softcapping),
            "final_logit_softcapping": float(config.final_logit_softcapping),
            "attention__scale": config.query_pre_attn_scalar**-0.5,
        }
    if architecture == "gemma3":
        return _gemma3_metadata(config)
    if architecture == "phi3":
        head_size = config.hidden_size // config.num_attention_heads
        share = config.rope_parameters["partial_rotary_factor"]
        return {
            "rope__dimension_count": int(head_size * share),
            "rope__scaling__original_context_length": config.original_max_position_embeddings,
            "attention__sliding_window": config.sliding_window or 0,
        }
    return {}


def _gemma3_metadata(config: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "attention__sliding_window": config.sliding_window,
        "attention__sliding_window_pattern": (*config.layer_types, "full_attention").index(
            "full_attention"
        )
        + 1,
    }
    rope = config.rope_parameters["full_attention"]
    if rope["rope_type"] == "linear":
        metadata |= {"rope__scaling__type": "linear", "rope__scaling__factor": rope["factor"]}
    if config.final_logit_softcapping:
        metadata["final_logit_softcapping"] = float(config.final_logit_softcapping)
    if config.query_pre_attn_scalar != config.head_dim:
        metadata["attention__scale"] = config.query_pre_attn_scalar**-0.5
    return metadata

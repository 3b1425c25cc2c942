"""GGUF files out of transformers' models, as llama.cpp's converter would write them."""

from pathlib import Path
from typing import Any

import gguf
import torch
from gguf.quants import dequantize, quantize
from transformers import PreTrainedModel

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    """`model.layers.3.self_attn.q_proj.weight` → `blk.3.attn_q.weight`."""
    outside = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in outside:
        return outside[name]
    _, _, layer, rest = name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{NAMES[part]}.{kind}"


def side_by_side(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """llama's rotary pairs (j, j + D/2) of each head next to each other."""
    rows = weight.shape[0]
    paired = weight.reshape(heads, 2, rows // heads // 2, -1).transpose(1, 2)
    return paired.reshape(weight.shape)


def quantized_in_place(model: PreTrainedModel, kind: gguf.GGMLQuantizationType) -> None:
    """Leave in the model what a file of that quantization would hold."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                raw = quantize(parameter.numpy(), kind)
                parameter.copy_(torch.from_numpy(dequantize(raw, kind)))


def write_gguf(
    model: PreTrainedModel,
    path: Path,
    *,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    rope_divisors: torch.Tensor | None = None,
    **metadata: Any,
) -> None:
    """Matrices in `kind`, vectors in float32; `metadata` may override or add numbers."""
    config: Any = model.config
    name = {"mistral": "llama"}.get(config.model_type, config.model_type)
    writer = gguf.GGUFWriter(path, name)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    head_size = getattr(config, "head_dim", None)
    if head_size:
        writer.add_key_length(head_size)
        writer.add_value_length(head_size)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    for key, value in metadata.items():
        writer.add_uint32(f"{name}.{key.replace('__', '.')}", value)
    if rope_divisors is not None:
        writer.add_tensor("rope_freqs.weight", rope_divisors.numpy())
    tied = config.tie_word_embeddings
    for key, tensor in model.state_dict().items():
        if tied and key == "lm_head.weight":
            continue
        heads = {
            "q_proj": config.num_attention_heads,
            "k_proj": config.num_key_value_heads,
        }.get(key.split(".")[-2])
        reordered = side_by_side(tensor, heads) if heads and name == "llama" else tensor
        numbers = reordered.contiguous().numpy()
        if tensor.dim() == 2 and kind != gguf.GGMLQuantizationType.F32:
            writer.add_tensor(gguf_name(key), quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(gguf_name(key), numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

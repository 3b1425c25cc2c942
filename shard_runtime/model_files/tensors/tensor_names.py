# SPDX-License-Identifier: Apache-2.0
"""The names of tensors in model files: per family in safetensors, uniform in GGUF.

A role is our own name for a tensor of the model (`query`, `mlp_norm`). tensor_layout.py has the
shape of each role.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import Enum


class FileFormat(Enum):
    """Decides the names and the layout of a model's tensors."""

    SAFETENSORS = "safetensors"
    GGUF = "gguf"


_LLAMA = {
    "embedding": "embed_tokens",
    "final_norm": "norm",
    "layer": "layers.{layer}",
    "attention_norm": "input_layernorm",
    "query_key_value": "self_attn.qkv_proj",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "output": "self_attn.o_proj",
    "query_norm": "self_attn.q_norm",
    "key_norm": "self_attn.k_norm",
    "mlp_norm": "post_attention_layernorm",
    "gate_up": "mlp.gate_up_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
    "router": "mlp.gate",
    "one_expert_gate": "mlp.experts.{expert}.gate_proj",
    "one_expert_up": "mlp.experts.{expert}.up_proj",
    "one_expert_down": "mlp.experts.{expert}.down_proj",
}
_GEMMA_2_OR_3 = _LLAMA | {
    "attention_post_norm": "post_attention_layernorm",
    "mlp_norm": "pre_feedforward_layernorm",
    "mlp_post_norm": "post_feedforward_layernorm",
}
_MIXTRAL = _LLAMA | {
    "router": "block_sparse_moe.gate",
    "one_expert_gate": "block_sparse_moe.experts.{expert}.w1",
    "one_expert_up": "block_sparse_moe.experts.{expert}.w3",
    "one_expert_down": "block_sparse_moe.experts.{expert}.w2",
}
_GPT2 = {
    "embedding": "wte",
    "positions": "wpe",
    "final_norm": "ln_f",
    "layer": "h.{layer}",
    "attention_norm": "ln_1",
    "query_key_value": "attn.c_attn",
    "output": "attn.c_proj",
    "mlp_norm": "ln_2",
    "up": "mlp.c_fc",
    "down": "mlp.c_proj",
}
_SAFETENSORS = {
    "gemma2": _GEMMA_2_OR_3,
    "gemma3": _GEMMA_2_OR_3,
    "mixtral": _MIXTRAL,
    "gpt2": _GPT2,
}
"""Families whose names differ from Llama's."""

_GGUF = {
    "embedding": "token_embd",
    "positions": "position_embd",
    "final_norm": "output_norm",
    "head": "output",
    "layer": "blk.{layer}",
    "attention_norm": "attn_norm",
    "query_key_value": "attn_qkv",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "query_norm": "attn_q_norm",
    "key_norm": "attn_k_norm",
    "attention_post_norm": "post_attention_norm",
    "mlp_norm": "ffn_norm",
    "gate_up": "ffn_up",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
    "mlp_post_norm": "post_ffw_norm",
    "router": "ffn_gate_inp",
    "all_experts_gate": "ffn_gate_exps",
    "all_experts_up": "ffn_up_exps",
    "all_experts_down": "ffn_down_exps",
    "one_expert_gate": "ffn_gate.{expert}",
    "one_expert_up": "ffn_up.{expert}",
    "one_expert_down": "ffn_down.{expert}",
}

_PREFIXES = ("model.", "language_model.model.", "model.language_model.", "transformer.", "")
"""Prefixes of all names but the head's: text models, multimodal ones (old and new), GPT-2 (two)."""

_HEADS = ("lm_head.weight", "language_model.lm_head.weight")


@dataclass(frozen=True, slots=True)
class TensorNames:
    """The tensor names of one model's files."""

    format: FileFormat
    family: str
    prefix: str
    head: str
    fused_experts: bool = False
    """Whether one tensor holds the gates (or ups, or downs) of all experts of a layer."""

    def model_tensor(self, role: str, kind: str = "weight") -> str:
        """The name of a tensor outside the layers: embedding, positions, final_norm or head."""
        return self.head if role == "head" else f"{self.prefix}{self._stem(role)}.{kind}"

    def layer_tensor(self, layer: int, role: str, kind: str = "weight", expert: int = 0) -> str:
        """The name of one layer's tensor."""
        layer_stem = self._stem("layer").format(layer=layer)
        return f"{self.prefix}{layer_stem}.{self._stem(role).format(expert=expert)}.{kind}"

    def _stem(self, role: str) -> str:
        names: Mapping[str, str] = _GGUF
        if self.format is FileFormat.SAFETENSORS:
            names = _SAFETENSORS.get(self.family, _LLAMA)
        return names[role]


def detect_tensor_names(
    file_format: FileFormat, family: str, tensors: Container[str]
) -> TensorNames:
    """The naming that these tensors follow; that of a text model if no embedding is among them."""
    if file_format is FileFormat.GGUF:
        fused = "blk.0.ffn_gate.0.weight" not in tensors  # present in early Mixtral conversions
        return TensorNames(file_format, family, "", "output.weight", fused)
    head = next((name for name in _HEADS if name in tensors), _HEADS[0])
    for prefix in _PREFIXES:
        names = TensorNames(file_format, family, prefix, head)
        if names.model_tensor("embedding") in tensors:
            return names
    prefix = "transformer." if family == "gpt2" else "model."
    return TensorNames(file_format, family, prefix, _HEADS[0])

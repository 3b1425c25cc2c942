# SPDX-License-Identifier: Apache-2.0
"""What tensors are called: per family in safetensors, once for all in GGUF.

A part is our name for a place in a model (`query`, `mlp_norm`); what each part's tensors look like
is in tensor_places.py.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import Enum


class Format(Enum):
    """How a model's tensors are called and laid out."""

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
_LATER_GEMMA = _LLAMA | {
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
_SAFETENSORS = {"gemma2": _LATER_GEMMA, "gemma3": _LATER_GEMMA, "mixtral": _MIXTRAL, "gpt2": _GPT2}
"""Families that do not call things as Llama does."""

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
"""Before everything but the head: plain models, those with eyes (old and new), GPT-2's two ways."""

_HEADS = ("lm_head.weight", "language_model.lm_head.weight")


@dataclass(frozen=True, slots=True)
class TensorNames:
    """The names in one model's files."""

    form: Format
    family: str
    prefix: str
    head: str
    experts_together: bool = False
    """Whether all experts of a layer share one tensor of each kind."""

    def outside(self, part: str, kind: str = "weight") -> str:
        """Of a part outside the layers: embedding, positions, final_norm, head."""
        return self.head if part == "head" else f"{self.prefix}{self._called(part)}.{kind}"

    def within(self, layer: int, part: str, kind: str = "weight", expert: int = 0) -> str:
        """Of a part of one layer."""
        where = self._called("layer").format(layer=layer)
        return f"{self.prefix}{where}.{self._called(part).format(expert=expert)}.{kind}"

    def _called(self, part: str) -> str:
        names: Mapping[str, str] = _GGUF
        if self.form is Format.SAFETENSORS:
            names = _SAFETENSORS.get(self.family, _LLAMA)
        return names[part]


def find_names(form: Format, family: str, tensors: Container[str]) -> TensorNames:
    """Names as they are in these files. Where no embedding is found, those of a plain model."""
    if form is Format.GGUF:
        together = "blk.0.ffn_gate.0.weight" not in tensors  # as Mixtral was converted at first
        return TensorNames(form, family, "", "output.weight", together)
    plain = TensorNames(form, family, "transformer." if family == "gpt2" else "model.", _HEADS[0])
    head = next((name for name in _HEADS if name in tensors), _HEADS[0])
    for prefix in _PREFIXES:
        names = TensorNames(form, family, prefix, head)
        if names.outside("embedding") in tensors:
            return names
    return plain

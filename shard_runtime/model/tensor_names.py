"""Which tensors make up a layer, the embedding and the head, what they are called in each format,
and their shapes.

A slot is our name for a place in a layer. GGUF's converter reorders the rows of llama's queries and
keys (so that neighbouring rows rotate together); `Slot.pairs_heads` marks where this has to be
undone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from shard_runtime.model.architecture import Architecture


class Format(Enum):
    """How a model's tensors are called and laid out."""

    SAFETENSORS = "safetensors"
    GGUF = "gguf"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one tensor."""

    name: str
    """In the file."""
    shape: tuple[int, ...]
    paired_heads: int = 0
    """How many heads of rows GGUF has reordered; 0 where rows stand as they are."""


_LAYER = {
    "attention_norm": ("input_layernorm", "attn_norm"),
    "query": ("self_attn.q_proj", "attn_q"),
    "key": ("self_attn.k_proj", "attn_k"),
    "value": ("self_attn.v_proj", "attn_v"),
    "output": ("self_attn.o_proj", "attn_output"),
    "query_norm": ("self_attn.q_norm", "attn_q_norm"),
    "key_norm": ("self_attn.k_norm", "attn_k_norm"),
    "mlp_norm": ("post_attention_layernorm", "ffn_norm"),
    "gate": ("mlp.gate_proj", "ffn_gate"),
    "up": ("mlp.up_proj", "ffn_up"),
    "down": ("mlp.down_proj", "ffn_down"),
}


def layer_slots(architecture: Architecture, layer: int, form: Format) -> Mapping[str, Slot]:
    """Our name → slot, for weights (`query`) and biases (`query.bias`) alike."""
    hidden, inner = architecture.hidden_size, architecture.intermediate_size
    queries = architecture.head_count * architecture.head_size
    keys = architecture.kv_head_count * architecture.head_size
    shapes = {
        "attention_norm": (hidden,),
        "query": (queries, hidden),
        "key": (keys, hidden),
        "value": (keys, hidden),
        "output": (hidden, queries),
        "mlp_norm": (hidden,),
        "gate": (inner, hidden),
        "up": (inner, hidden),
        "down": (hidden, inner),
    }
    if architecture.qk_norm:
        shapes |= {"query_norm": (architecture.head_size,), "key_norm": (architecture.head_size,)}
    biased = (
        ["query", "key", "value"] * architecture.qkv_bias
        + ["output"] * architecture.output_bias
        + ["gate", "up", "down"] * architecture.mlp_bias
    )
    slots = {part: _slot(architecture, layer, form, part, shape) for part, shape in shapes.items()}
    for part in biased:
        slots[f"{part}.bias"] = _slot(architecture, layer, form, part, shapes[part][:1], "bias")
    return slots


def embedding_slot(architecture: Architecture, form: Format) -> Slot:
    """The token embedding, which is the LM head too where it is tied."""
    name = {
        Format.SAFETENSORS: "model.embed_tokens.weight",
        Format.GGUF: "token_embd.weight",
    }[form]
    return Slot(name, (architecture.vocabulary_size, architecture.hidden_size))


def head_slots(architecture: Architecture, form: Format) -> Mapping[str, Slot]:
    """`norm`, and `head` unless it is tied to the embedding."""
    norm, head = {
        Format.SAFETENSORS: ("model.norm.weight", "lm_head.weight"),
        Format.GGUF: ("output_norm.weight", "output.weight"),
    }[form]
    slots = {"norm": Slot(norm, (architecture.hidden_size,))}
    if not architecture.tied_embedding:
        slots["head"] = Slot(head, (architecture.vocabulary_size, architecture.hidden_size))
    return slots


def _slot(
    architecture: Architecture,
    layer: int,
    form: Format,
    part: str,
    shape: tuple[int, ...],
    kind: str = "weight",
) -> Slot:
    in_safetensors, in_gguf = _LAYER[part]
    if form is Format.SAFETENSORS:
        return Slot(f"model.layers.{layer}.{in_safetensors}.{kind}", shape)
    heads = {"query": architecture.head_count, "key": architecture.kv_head_count}.get(part, 0)
    return Slot(
        f"blk.{layer}.{in_gguf}.{kind}", shape, heads if architecture.name == "llama" else 0
    )

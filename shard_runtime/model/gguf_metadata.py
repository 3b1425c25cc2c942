"""The architecture out of a GGUF file's metadata. GGUF's `llama` covers llama and mistral."""

from dataclasses import replace

import torch

from shard_runtime.errors import ArchitectureUnsupported
from shard_runtime.model.architecture import Architecture, RopeScaling
from shard_runtime.model.config_fields import ConfigFields
from shard_runtime.model.config_json import yarn_attention_factor
from shard_runtime.model.decode import decoder
from shard_runtime.model.gguf_file import GgufFile
from shard_runtime.model.tensor_file import StoredTensor, read_pieces
from teetee.layers import MAX_LAYERS

_SUPPORTED = ("llama", "qwen2", "qwen3")
_ROPE_DIVISORS = "rope_freqs.weight"
"""Llama 3's converted files carry one divisor per frequency as a tensor, instead of the scaling's
parameters.
"""


def read_gguf_metadata(gguf: GgufFile) -> Architecture:
    """Raises `ModelFileInvalid`, and `ArchitectureUnsupported` naming what we cannot compute."""
    file = str(gguf.path)
    name = ConfigFields(gguf.metadata, file).text("general.architecture")
    if name not in _SUPPORTED:
        raise ArchitectureUnsupported(name, "it is not Llama-shaped, or not known to be")
    fields = ConfigFields(gguf.metadata, file, prefix=f"{name}.")
    if fields.integer("expert_count", 0, minimum=0):
        raise ArchitectureUnsupported(name, "it is a mixture of experts")
    hidden_size, head_count = (
        fields.integer("embedding_length"),
        fields.integer("attention.head_count"),
    )
    head_size = fields.integer("attention.key_length", hidden_size // head_count)
    if fields.integer("attention.value_length", head_size) != head_size:
        raise ArchitectureUnsupported(name, "its keys and values differ in size")
    if fields.integer("rope.dimension_count", head_size) != head_size:
        raise ArchitectureUnsupported(name, "it rotates only a part of each head")
    layer_count = fields.integer("block_count", maximum=MAX_LAYERS)
    window = fields.integer("attention.sliding_window", 0, minimum=0)
    embedding = gguf.tensors.find("token_embd.weight")
    architecture = Architecture(
        name=name,
        layer_count=layer_count,
        hidden_size=hidden_size,
        intermediate_size=fields.integer("feed_forward_length"),
        head_count=head_count,
        kv_head_count=fields.integer("attention.head_count_kv", head_count),
        head_size=head_size,
        vocabulary_size=fields.integer("vocab_size", embedding.shape[0]),
        context_length=fields.integer("context_length"),
        norm_epsilon=fields.number("attention.layer_norm_rms_epsilon"),
        rope_theta=fields.number("rope.freq_base", 10000.0),
        rope_scaling=_scaling(name, fields, gguf),
        qkv_bias="blk.0.attn_q.bias" in gguf.tensors,
        output_bias="blk.0.attn_output.bias" in gguf.tensors,
        mlp_bias="blk.0.ffn_down.bias" in gguf.tensors,
        qk_norm="blk.0.attn_q_norm.weight" in gguf.tensors,
        tied_embedding="output.weight" not in gguf.tensors,
        windows=(window,) * layer_count,
    )
    architecture.check(file)
    return architecture


def _scaling(name: str, fields: ConfigFields, gguf: GgufFile) -> RopeScaling:
    if _ROPE_DIVISORS in gguf.tensors:
        return RopeScaling("factors", factors=_numbers(gguf.tensors.find(_ROPE_DIVISORS)))
    kind = fields.text("rope.scaling.type", "none")
    if kind == "none":
        return RopeScaling()
    factor = fields.number("rope.scaling.factor")
    scaling = RopeScaling(kind, factor=factor)
    if kind == "linear":
        return scaling
    if kind == "yarn":
        return replace(
            scaling,
            original_context_length=fields.integer("rope.scaling.original_context_length"),
            beta_fast=fields.number("rope.scaling.yarn_beta_fast", 32.0),
            beta_slow=fields.number("rope.scaling.yarn_beta_slow", 1.0),
            attention_factor=fields.number(
                "rope.scaling.attn_factor", yarn_attention_factor(factor)
            ),
        )
    raise ArchitectureUnsupported(name, f"its rotary scaling is {kind}")


def _numbers(tensor: StoredTensor) -> tuple[float, ...]:
    decode = decoder(tensor)
    pieces = [decode(piece, 1).flatten() for _, piece in read_pieces(tensor)]
    return tuple(float(number) for number in torch.cat(pieces))

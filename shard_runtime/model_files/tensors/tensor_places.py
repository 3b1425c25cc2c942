# SPDX-License-Identifier: Apache-2.0
"""Which tensors make up a layer, the embedding and the head, and where each goes in memory.

In memory, query, key and value lie in one matrix, gate and up in another, and all experts of a
layer in two: whatever a file has fused or separate, the layer that computes sees the same. GGUF's
converter reorders the rows of llama's queries and keys and adds 1 to Gemma's norms; GPT-2's
matrices lie transposed in safetensors: a slot says what has to be undone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shard_runtime.architecture import Architecture, ExpertRouting
from shard_runtime.model_files.tensors.tensor_names import Format, TensorNames

Shape = tuple[int, ...]

_FUSED = ("phi3", "gpt2")
"""Families whose files have query, key and value (and gate and up, if any) in one tensor."""
_REORDERED = ("llama", "mixtral")
_RAISED = ("gemma", "gemma2", "gemma3")


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor of a file, and its place. Rows are counted over all but the last dimension."""

    name: str
    shape: Shape
    """In the file, in torch's order."""
    target: str
    first: int = 0
    """The target's row where it begins."""
    block: int = 0
    """Where not 0: its rows come in blocks of so many …"""
    stride: int = 0
    """… and each block begins so many rows of the target after the one before."""
    paired_heads: int = 0
    """How many heads of rows GGUF has reordered; 0 where rows stand as they are."""
    transposed: bool = False
    raised: bool = False
    """Whether the file has 1 added."""


@dataclass(slots=True)
class Places:
    """The tensors that a part has in memory, and the slots that fill them."""

    targets: dict[str, Shape] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)

    def put(self, target: str, shape: Shape, *slots: Slot) -> None:
        self.targets[target] = shape
        self.slots += slots


def layer_places(architecture: Architecture, layer: int, names: TensorNames) -> Places:
    """Of one layer."""
    writer = _Writer(architecture, names, layer)
    writer.norm("attention_norm", architecture.hidden_size)
    writer.attention()
    if architecture.post_norms:
        writer.norm("attention_post_norm", architecture.hidden_size)
    writer.norm("mlp_norm", architecture.hidden_size)
    if architecture.experts is not None and layer in architecture.experts.layers:
        writer.experts(architecture.experts)
    else:
        writer.mlp()
    if architecture.post_norms:
        writer.norm("mlp_post_norm", architecture.hidden_size)
    return writer.places


def embedding_places(architecture: Architecture, names: TensorNames) -> Places:
    """The tokens' vectors (the LM head too where it is tied), and learned positions'."""
    places, hidden = Places(), architecture.hidden_size
    shapes = {"embedding": (architecture.vocabulary_size, hidden)}
    if architecture.positions == "learned":
        shapes["positions"] = (architecture.context_length, hidden)
    for part, shape in shapes.items():
        places.put(part, shape, Slot(names.outside(part), shape, part))
    return places


def head_places(architecture: Architecture, names: TensorNames) -> Places:
    """The final norm, and the LM head unless it is tied to the embedding."""
    writer = _Writer(architecture, names, None)
    writer.norm("final_norm", architecture.hidden_size)
    if not architecture.tied_embedding:
        shape = (architecture.vocabulary_size, architecture.hidden_size)
        writer.places.put("head", shape, Slot(names.outside("head"), shape, "head"))
    return writer.places


class _Writer:
    """Writes the places of one layer, or of what is outside them."""

    def __init__(self, architecture: Architecture, names: TensorNames, layer: int | None) -> None:
        self.places = Places()
        self._architecture = architecture
        self._names = names
        self._layer = layer
        gguf = names.form is Format.GGUF
        self._reordered = gguf and architecture.name in _REORDERED
        self._raised = gguf and architecture.name in _RAISED
        self._transposed = not gguf and architecture.name == "gpt2"
        self._fused = architecture.name in _FUSED

    def norm(self, part: str, size: int) -> None:
        for kind in ("weight", "bias") if self._architecture.norm == "layer" else ("weight",):
            target = part if kind == "weight" else f"{part}.bias"
            slot = Slot(self._name(part, kind), (size,), target, raised=self._raised)
            self.places.put(target, (size,), slot)

    def attention(self) -> None:
        shape = self._architecture
        queries, keys = (
            count * shape.head_size for count in (shape.head_count, shape.kv_head_count)
        )
        parts = {"query": queries, "key": keys, "value": keys}
        if self._fused:
            parts = {"query_key_value": queries + 2 * keys}
        self._linear("query_key_value", parts, shape.hidden_size, shape.qkv_bias)
        self._linear("output", {"output": shape.hidden_size}, queries, shape.output_bias)
        if shape.qk_norm:
            self.norm("query_norm", shape.head_size)
            self.norm("key_norm", shape.head_size)

    def mlp(self) -> None:
        shape = self._architecture
        inner = shape.intermediate_size
        if not shape.gated:
            self._linear("up", {"up": inner}, shape.hidden_size, shape.mlp_bias)
        else:
            parts = {"gate_up": 2 * inner} if self._fused else {"gate": inner, "up": inner}
            self._linear("gate_up", parts, shape.hidden_size, shape.mlp_bias)
        self._linear("down", {"down": shape.hidden_size}, inner, shape.mlp_bias)

    def experts(self, routing: ExpertRouting) -> None:
        hidden, inner = self._architecture.hidden_size, routing.intermediate_size
        self._linear("router", {"router": routing.count}, hidden, biased=False)
        up_shape = (routing.count, 2 * inner, hidden)
        gates = self._expert_slots("gate", routing.count, (inner, hidden), "expert_gate_up", 0)
        ups = self._expert_slots("up", routing.count, (inner, hidden), "expert_gate_up", inner)
        self.places.put("expert_gate_up", up_shape, *gates, *ups)
        downs = self._expert_slots("down", routing.count, (hidden, inner), "expert_down", 0)
        self.places.put("expert_down", (routing.count, hidden, inner), *downs)

    def _expert_slots(
        self, part: str, count: int, shape: Shape, target: str, first: int
    ) -> list[Slot]:
        """All experts' gates, ups or downs, which a file has in one tensor or in one each."""
        stride = shape[0] if target == "expert_down" else 2 * shape[0]
        if self._names.experts_together:
            name = self._name(f"all_experts_{part}")
            return [Slot(name, (count, *shape), target, first, shape[0], stride)]
        return [
            Slot(
                self._name(f"one_expert_{part}", expert=each), shape, target, first + each * stride
            )
            for each in range(count)
        ]

    def _linear(self, target: str, parts: Mapping[str, int], columns: int, biased: bool) -> None:
        """One matrix (and one bias, if any) out of several parts' rows."""
        weights, biases, first = [], [], 0
        for part, rows in parts.items():
            shape = (columns, rows) if self._transposed else (rows, columns)
            heads = self._paired_heads(part)
            plain = Slot(self._name(part), shape, target, first, paired_heads=heads)
            weights.append(replace(plain, transposed=self._transposed))
            bias = Slot(self._name(part, "bias"), (rows,), f"{target}.bias", first)
            biases.append(replace(bias, paired_heads=heads))
            first += rows
        self.places.put(target, (first, columns), *weights)
        if biased:
            self.places.put(f"{target}.bias", (first,), *biases)

    def _paired_heads(self, part: str) -> int:
        shape = self._architecture
        heads = {"query": shape.head_count, "key": shape.kv_head_count}
        return heads.get(part, 0) if self._reordered else 0

    def _name(self, part: str, kind: str = "weight", expert: int = 0) -> str:
        if self._layer is None:
            return self._names.outside(part, kind)
        return self._names.within(self._layer, part, kind, expert)

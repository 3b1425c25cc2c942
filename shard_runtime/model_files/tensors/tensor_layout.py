# SPDX-License-Identifier: Apache-2.0
"""Maps the tensors of a model's files to the tensors of a layer, the embedding and the head in
memory.

In memory, query, key and value form one matrix, gate and up another, and all experts of a layer
two: whether a file fuses or separates them, the layer that computes sees the same. A slot also
records what the format changed and loading has to undo: GGUF permutes the rows of Llama's queries
and keys and adds 1 to Gemma's norms; safetensors files of GPT-2 store transposed matrices.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from shard_runtime.architecture import Architecture, ExpertRouting
from shard_runtime.model_files.tensors.tensor_names import FileFormat, TensorNames
from shard_runtime.model_files.tensors.tensor_store import StoredTensor

Shape = tuple[int, ...]

_NUMBER = re.compile(r"[0-9]{1,9}")

_FUSED = ("phi3", "gpt2")
"""Families whose files store query, key and value (and gate and up, if any) in one tensor."""
_PERMUTED = ("llama", "mixtral")
_NORMS_PLUS_ONE = ("gemma", "gemma2", "gemma3")


@dataclass(frozen=True, slots=True)
class Slot:
    """One stored tensor and the rows of the in-memory tensor that it fills.

    Rows are counted over all dimensions but the last.
    """

    name: str
    """Of the stored tensor."""
    shape: Shape
    """Of the stored tensor, in torch's order."""
    target: str
    """The tensor in memory."""
    first_row: int = 0
    """The first row of the target that it fills."""
    block_rows: int = 0
    """If not 0, the stored rows form blocks of this many rows …"""
    block_stride: int = 0
    """… and consecutive blocks begin this many target rows apart."""
    permuted_heads: int = 0
    """The number of heads whose rows GGUF permuted; 0 if the rows are in order."""
    transposed: bool = False
    stored_plus_one: bool = False


@dataclass(slots=True)
class TensorLayout:
    """The in-memory tensors of one model part, and the slots that fill them."""

    targets: dict[str, Shape] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)

    def add_target(self, target: str, shape: Shape, *slots: Slot) -> None:
        """Adds one in-memory tensor and the stored tensors that fill it."""
        self.targets[target] = shape
        self.slots += slots


def layer_layout(
    architecture: Architecture,
    layer: int,
    names: TensorNames,
    experts: Collection[int] | None = None,
) -> TensorLayout:
    """The layout of one decoder layer. experts: without the slots of all others but these."""
    builder = _LayoutBuilder(architecture, names, layer)
    builder.add_norm("attention_norm", architecture.hidden_size)
    builder.add_attention()
    if architecture.post_norms:
        builder.add_norm("attention_post_norm", architecture.hidden_size)
    builder.add_norm("mlp_norm", architecture.hidden_size)
    if architecture.experts is not None and layer in architecture.experts.layers:
        builder.add_experts(architecture.experts, experts)
    else:
        builder.add_mlp()
    if architecture.post_norms:
        builder.add_norm("mlp_post_norm", architecture.hidden_size)
    return builder.layout


def embedding_layout(architecture: Architecture, names: TensorNames) -> TensorLayout:
    """The layout of the token embedding (also the LM head if tied) and of learned positions."""
    layout, hidden = TensorLayout(), architecture.hidden_size
    shapes = {"embedding": (architecture.vocabulary_size, hidden)}
    if architecture.positions == "learned":
        shapes["positions"] = (architecture.context_length, hidden)
    for role, shape in shapes.items():
        layout.add_target(role, shape, Slot(names.model_tensor(role), shape, role))
    return layout


def head_layout(architecture: Architecture, names: TensorNames) -> TensorLayout:
    """The layout of the final norm, and of the LM head unless it is tied to the embedding."""
    builder = _LayoutBuilder(architecture, names, None)
    builder.add_norm("final_norm", architecture.hidden_size)
    if not architecture.tied_embedding:
        shape = (architecture.vocabulary_size, architecture.hidden_size)
        builder.layout.add_target("head", shape, Slot(names.model_tensor("head"), shape, "head"))
    return builder.layout


def model_layouts(architecture: Architecture, names: TensorNames) -> Iterator[TensorLayout]:
    """The layouts of all parts: embedding, layers, head."""
    yield embedding_layout(architecture, names)
    for layer in range(architecture.layer_count):
        yield layer_layout(architecture, layer, names)
    yield head_layout(architecture, names)


def stored_slots(
    architecture: Architecture, names: TensorNames, tensors: Iterable[StoredTensor]
) -> dict[str, Slot]:
    """The slots of the whole model, by name, for these tensors: a slot that is not there may be of
    a tensor that is not there.

    Takes time in proportion to the tensors, however many layers and experts the model announces.
    """
    experts: dict[int, set[int]] = {}
    for tensor in tensors:
        layer, expert = _numbers(tensor.name)
        experts.setdefault(layer, set()).add(expert)
    layouts = [
        embedding_layout(architecture, names),
        *(
            layer_layout(architecture, layer, names, experts[layer])
            for layer in sorted(experts)
            if 0 <= layer < architecture.layer_count
        ),
        head_layout(architecture, names),
    ]
    return {slot.name: slot for layout in layouts for slot in layout.slots}


def _numbers(name: str) -> tuple[int, int]:
    """The layer and the expert that a tensor's name may be of; -1 if it is of none."""
    found = [int(part) for part in name.split(".") if _NUMBER.fullmatch(part)]
    layer, expert, *_ = [*found, -1, -1]
    return layer, expert


class _LayoutBuilder:
    """Builds the layout of one layer, or of tensors outside the layers."""

    def __init__(self, architecture: Architecture, names: TensorNames, layer: int | None) -> None:
        self.layout = TensorLayout()
        self._architecture = architecture
        self._names = names
        self._layer = layer
        gguf = names.format is FileFormat.GGUF
        self._permuted = gguf and architecture.name in _PERMUTED
        self._norms_plus_one = gguf and architecture.name in _NORMS_PLUS_ONE
        self._transposed = not gguf and architecture.name == "gpt2"
        self._fused = architecture.name in _FUSED

    def add_norm(self, role: str, size: int) -> None:
        for kind in ("weight", "bias") if self._architecture.norm == "layer" else ("weight",):
            target = role if kind == "weight" else f"{role}.bias"
            slot = Slot(
                self._name(role, kind), (size,), target, stored_plus_one=self._norms_plus_one
            )
            self.layout.add_target(target, (size,), slot)

    def add_attention(self) -> None:
        shape = self._architecture
        queries, keys = (
            count * shape.head_size for count in (shape.head_count, shape.kv_head_count)
        )
        rows = {"query": queries, "key": keys, "value": keys}
        if self._fused:
            rows = {"query_key_value": queries + 2 * keys}
        self._add_linear("query_key_value", rows, shape.hidden_size, shape.qkv_bias)
        self._add_linear("output", {"output": shape.hidden_size}, queries, shape.output_bias)
        if shape.qk_norm:
            self.add_norm("query_norm", shape.head_size)
            self.add_norm("key_norm", shape.head_size)

    def add_mlp(self) -> None:
        shape = self._architecture
        inner = shape.intermediate_size
        if not shape.gated:
            self._add_linear("up", {"up": inner}, shape.hidden_size, shape.mlp_bias)
        else:
            rows = {"gate_up": 2 * inner} if self._fused else {"gate": inner, "up": inner}
            self._add_linear("gate_up", rows, shape.hidden_size, shape.mlp_bias)
        self._add_linear("down", {"down": shape.hidden_size}, inner, shape.mlp_bias)

    def add_experts(self, routing: ExpertRouting, chosen: Collection[int] | None) -> None:
        """chosen: the experts that get slots, if they are stored one by one; None for all."""
        hidden, inner = self._architecture.hidden_size, routing.intermediate_size
        every = range(routing.count)
        numbers = every if chosen is None else sorted(each for each in chosen if each in every)
        self._add_linear("router", {"router": routing.count}, hidden, biased=False)
        up_shape = (routing.count, 2 * inner, hidden)
        rows = (inner, hidden)
        gates = self._expert_slots("gate", routing.count, numbers, rows, "expert_gate_up", 0)
        ups = self._expert_slots("up", routing.count, numbers, rows, "expert_gate_up", inner)
        self.layout.add_target("expert_gate_up", up_shape, *gates, *ups)
        rows = (hidden, inner)
        downs = self._expert_slots("down", routing.count, numbers, rows, "expert_down", 0)
        self.layout.add_target("expert_down", (routing.count, hidden, inner), *downs)

    def _expert_slots(
        self,
        role: str,
        count: int,
        numbers: Iterable[int],
        shape: Shape,
        target: str,
        first_row: int,
    ) -> list[Slot]:
        """The gates, ups or downs of all experts, stored in one tensor, or of those with these
        numbers, stored in one tensor each.
        """
        stride = shape[0] if target == "expert_down" else 2 * shape[0]
        if self._names.fused_experts:
            name = self._name(f"all_experts_{role}")
            return [Slot(name, (count, *shape), target, first_row, shape[0], stride)]
        return [
            Slot(
                self._name(f"one_expert_{role}", expert=expert),
                shape,
                target,
                first_row + expert * stride,
            )
            for expert in numbers
        ]

    def _add_linear(
        self, target: str, rows_by_role: Mapping[str, int], columns: int, biased: bool
    ) -> None:
        """One matrix (and one bias, if any) from the rows of several stored tensors."""
        weights, biases, first_row = [], [], 0
        for role, rows in rows_by_role.items():
            shape = (columns, rows) if self._transposed else (rows, columns)
            heads = self._permuted_heads(role)
            weight = Slot(self._name(role), shape, target, first_row, permuted_heads=heads)
            weights.append(replace(weight, transposed=self._transposed))
            bias = Slot(self._name(role, "bias"), (rows,), f"{target}.bias", first_row)
            biases.append(replace(bias, permuted_heads=heads))
            first_row += rows
        self.layout.add_target(target, (first_row, columns), *weights)
        if biased:
            self.layout.add_target(f"{target}.bias", (first_row,), *biases)

    def _permuted_heads(self, role: str) -> int:
        shape = self._architecture
        heads = {"query": shape.head_count, "key": shape.kv_head_count}
        return heads.get(role, 0) if self._permuted else 0

    def _name(self, role: str, kind: str = "weight", expert: int = 0) -> str:
        if self._layer is None:
            return self._names.model_tensor(role, kind)
        return self._names.layer_tensor(self._layer, role, kind, expert)

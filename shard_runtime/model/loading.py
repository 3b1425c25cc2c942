"""From files to a shard: reads the slice's own tensors only, hashes them on the way, and holds
nothing twice.

Each tensor comes in pieces of about a mebibyte which are hashed, converted and copied to their
final place, so the peak is the shard itself plus one piece.
"""

import ctypes
from collections.abc import Mapping

import torch

from shard_runtime.errors import SplitInvalid, TensorInvalid
from shard_runtime.model.decode import decoder
from shard_runtime.model.decoder_layer import DecoderLayer, LayerWeights
from shard_runtime.model.digests import (
    Part,
    PartDigest,
    check_architecture,
    check_digest,
    embedding_part,
    head_part,
    layer_part,
)
from shard_runtime.model.shard import EntryWeights, Shard
from shard_runtime.model.source import ModelSource
from shard_runtime.model.tensor_names import Slot, embedding_slot, head_slots, layer_slots
from shard_runtime.model.tokenizer_files import read_tokenizer_files
from teetee.layers import LayerRange
from teetee.manifest import ModelManifest
from teetee.typed_data import keccak256

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

Destinations = Mapping[str, torch.Tensor]
"""Our name of a slot → where its numbers go."""


def load_shard(
    source: ModelSource,
    layers: LayerRange,
    *,
    is_entry: bool,
    manifest: ModelManifest | None = None,
    dtype: str = "float32",
) -> Shard:
    """Load one slice.

    dtype: float32, bfloat16 or float16. manifest: what was published; every part is compared with
    it.
    Raises `TensorMissing`, `TensorInvalid`, `ModelFileInvalid`, `DigestMismatch`.
    """
    if layers.end > source.architecture.layer_count:
        raise SplitInvalid(f"{layers} reaches beyond {source.architecture.layer_count} layers")
    check_architecture(source.architecture, manifest)
    # First, because it takes memory for a moment, and the weights are not there yet.
    embedding = embedding_part(source, read_tokenizer_files(source)) if is_entry else None
    loader = _Loader(source, manifest, _DTYPES[dtype])
    modules = tuple(loader.layer(layers, layer) for layer in layers.indices)
    entry = loader.entry(embedding) if embedding else None
    _return_freed_memory()
    return Shard(
        architecture=source.architecture,
        layers=layers,
        modules=modules,
        entry=entry,
        slice_digest=keccak256(b"".join(loader.digests)),
        dtype=_DTYPES[dtype],
    )


class _Loader:
    """Loads part after part and keeps their digests in that order, which is the slice digest's."""

    def __init__(
        self, source: ModelSource, manifest: ModelManifest | None, dtype: torch.dtype
    ) -> None:
        self.digests: list[bytes] = []
        self._source = source
        self._manifest = manifest
        self._dtype = dtype

    def layer(self, layers: LayerRange, layer: int) -> DecoderLayer:
        architecture = self._source.architecture
        slots = layer_slots(architecture, layer, self._source.form)
        query_key_value, destinations = self._fused(slots, ("query", "key", "value"))
        gate_up, places = self._fused(slots, ("gate", "up"))
        destinations |= places
        fused = {"query", "key", "value", "gate", "up"}
        alone = {name: slot for name, slot in slots.items() if name.partition(".")[0] not in fused}
        destinations |= {name: self._empty(slot.shape) for name, slot in alone.items()}
        expected = self._manifest.layer_digests[layer] if self._manifest else None
        self._fill(layer_part(self._source, layer), slots, destinations, expected)
        weights = LayerWeights(
            attention_norm=destinations["attention_norm"],
            query_key_value=query_key_value[0],
            query_key_value_bias=query_key_value[1],
            query_norm=destinations.get("query_norm"),
            key_norm=destinations.get("key_norm"),
            output=destinations["output"],
            output_bias=destinations.get("output.bias"),
            mlp_norm=destinations["mlp_norm"],
            gate_up=gate_up[0],
            gate_up_bias=gate_up[1],
            down=destinations["down"],
            down_bias=destinations.get("down.bias"),
        )
        return DecoderLayer(
            architecture, layer - layers.first, architecture.windows[layer], weights
        )

    def entry(self, part: Part) -> EntryWeights:
        source, manifest = self._source, self._manifest
        slot = embedding_slot(source.architecture, source.form)
        embedding = self._empty(slot.shape)
        expected = manifest.embedding_digest if manifest else None
        self._fill(part, {"embedding": slot}, {"embedding": embedding}, expected)
        slots = head_slots(source.architecture, source.form)
        heads = {name: self._empty(slot.shape) for name, slot in slots.items()}
        expected = manifest.head_digest if manifest else None
        self._fill(head_part(source), slots, heads, expected)
        return EntryWeights(embedding, heads["norm"], heads.get("head", embedding))

    def _fused(
        self, slots: Mapping[str, Slot], names: tuple[str, ...]
    ) -> tuple[tuple[torch.Tensor, torch.Tensor | None], dict[str, torch.Tensor]]:
        """One matrix (and one bias, if any) for several slots, and each slot's rows of it."""
        rows = [slots[name].shape[0] for name in names]
        weight = self._empty((sum(rows), slots[names[0]].shape[1]))
        places = dict(zip(names, weight.split_with_sizes(rows), strict=True))
        if f"{names[0]}.bias" not in slots:
            return (weight, None), places
        bias = self._empty((sum(rows),))
        biases = (f"{name}.bias" for name in names)
        return (weight, bias), places | dict(zip(biases, bias.split_with_sizes(rows), strict=True))

    def _fill(
        self,
        part: Part,
        slots: Mapping[str, Slot],
        destinations: Destinations,
        expected: bytes | None,
    ) -> None:
        running = PartDigest(part)
        for name in sorted(slots, key=lambda each: slots[each].name):
            self._copy(running, slots[name], destinations[name])
        check_digest(part, expected, running.digest())
        self.digests.append(running.digest())

    def _copy(self, running: PartDigest, slot: Slot, destination: torch.Tensor) -> None:
        tensor = self._source.tensors.find(slot.name)
        if tensor.shape != slot.shape:
            raise TensorInvalid(
                slot.name, f"has shape {tensor.shape}, and {slot.shape} was expected"
            )
        decode = decoder(tensor)
        rows = destination.view(tensor.rows, -1)  # a vector is one row
        order = _true_rows(slot) if slot.paired_heads else None
        for first, piece in running.pieces(tensor):
            count = len(piece) // tensor.row_bytes
            numbers = decode(piece, count).to(destination.dtype)
            if order is None:
                rows[first : first + count] = numbers
            elif destination.dim() == 1:
                destination[order] = numbers[0]
            else:
                rows[order[first : first + count]] = numbers

    def _empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.empty(shape, dtype=self._dtype)


def _true_rows(slot: Slot) -> torch.Tensor:
    """Where each row of a GGUF's reordered queries or keys belongs: its pairs (j, j + D/2) lie side
    by side there.
    """
    rows = slot.shape[0]
    by_head = torch.arange(rows).view(slot.paired_heads, 2, -1)
    return by_head.transpose(1, 2).reshape(rows)


def _return_freed_memory() -> None:
    """glibc keeps what loading freed unless told otherwise; other C libraries have no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

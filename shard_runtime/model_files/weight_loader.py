# SPDX-License-Identifier: Apache-2.0
"""Loads the weights of a slice: reads only the slice's tensors, hashes them on the way, and keeps
no second copy.

Each tensor is read in pieces of about one mebibyte that are hashed, converted and copied to their
final place, so the memory peak is the shard itself plus one piece.
"""

import ctypes

import torch

from shard_runtime.errors import SplitInvalid
from shard_runtime.model_files.digests import (
    ModelPart,
    PartDigest,
    check_architecture,
    check_digest,
    embedding_part,
    head_part,
    layer_part,
)
from shard_runtime.model_files.source import ModelSource
from shard_runtime.model_files.tensors.slot_tensor import find_slot_tensor
from shard_runtime.model_files.tensors.slot_writer import SlotWriter
from shard_runtime.model_files.tensors.tensor_layout import Slot
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from teetee.protocol.typed_data import keccak256

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class WeightLoader:
    """Loads a slice part by part, in any order, and computes its slice digest."""

    def __init__(
        self,
        source: ModelSource,
        layers: LayerRange,
        *,
        is_entry: bool,
        manifest: ModelManifest | None,
        dtype: str,
        precision: str | None = None,
    ) -> None:
        """dtype: of the loaded tensors. precision: what the shard computes in, if that differs.

        Raises `SplitInvalid`, `DigestMismatch`, and what reading the tokenizer raises.
        """
        if layers.end > source.architecture.layer_count:
            raise SplitInvalid(f"{layers} reaches beyond {source.architecture.layer_count} layers")
        self._precision = precision or dtype
        check_architecture(source.architecture, self._precision, manifest)
        self.dtype = _DTYPES[dtype]
        self._source = source
        self._manifest = manifest
        self._layer_digests: dict[int, bytes] = {}
        self._entry_digests: tuple[bytes, ...] = ()
        # Before the weights: parsing the tokenizer needs much memory for a moment.
        self._tokenizer = source.read_tokenizer_files() if is_entry else None

    @property
    def slice_digest(self) -> bytes:
        """The digest of the parts loaded so far; the slice's once all are loaded."""
        layers = (digest for _, digest in sorted(self._layer_digests.items()))
        return keccak256(b"".join((*layers, *self._entry_digests)))

    def load_layer(self, layer: int) -> dict[str, torch.Tensor]:
        """One layer's tensors, by the names of its layout. Raises `DigestMismatch`."""
        expected = self._manifest.layer_digests[layer] if self._manifest else None
        part = layer_part(self._source, layer, self._precision)
        tensors, self._layer_digests[layer] = self._load(part, expected)
        return tensors

    def load_entry(self) -> dict[str, torch.Tensor]:
        """The embedding, the final norm and the LM head. Raises `DigestMismatch`."""
        assert self._tokenizer is not None
        manifest = self._manifest
        embedding, embedding_digest = self._load(
            embedding_part(self._source, self._tokenizer, self._precision),
            manifest.embedding_digest if manifest else None,
        )
        head, head_digest = self._load(
            head_part(self._source, self._precision), manifest.head_digest if manifest else None
        )
        self._entry_digests = (embedding_digest, head_digest)
        return embedding | head

    def _load(
        self, part: ModelPart, expected: bytes | None
    ) -> tuple[dict[str, torch.Tensor], bytes]:
        """The part's tensors in memory, by name, and its digest. Raises `DigestMismatch`."""
        tensors = {
            name: torch.empty(shape, dtype=self.dtype)
            for name, shape in part.layout.targets.items()
        }
        part_digest = PartDigest(part)
        for slot in part.slots:
            self._fill_slot(part_digest, slot, tensors[slot.target])
        digest = part_digest.digest()
        check_digest(part, expected, digest)
        return tensors, digest

    def _fill_slot(self, part_digest: PartDigest, slot: Slot, target: torch.Tensor) -> None:
        tensor, dequantize = find_slot_tensor(self._source.tensors, slot)
        writer = SlotWriter(slot, target)
        for first, piece in part_digest.read_pieces(tensor):
            writer.write_rows(first, dequantize(piece, len(piece) // tensor.row_bytes))


def return_freed_memory() -> None:
    """Makes glibc return the memory that loading freed; does nothing with other C libraries."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

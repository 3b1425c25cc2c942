# SPDX-License-Identifier: Apache-2.0
"""Loads the parts of a slice: reads its own tensors only, hashes them on the way, and holds nothing
twice.

Each tensor comes in pieces of about a mebibyte which are hashed, converted and copied to their
final place, so the peak is the shard itself plus one piece.
"""

import ctypes

import torch

from shard_runtime.errors import SplitInvalid, TensorInvalid
from shard_runtime.model_files.digests import (
    Part,
    PartDigest,
    check_architecture,
    check_digest,
    embedding_part,
    head_part,
    layer_part,
)
from shard_runtime.model_files.source import ModelSource
from shard_runtime.model_files.tensors.decode import decoder
from shard_runtime.model_files.tensors.placement import Placement
from shard_runtime.model_files.tensors.tensor_places import Slot
from shard_runtime.model_files.tokenizer.tokenizer_files import read_tokenizer_files
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from teetee.protocol.typed_data import keccak256

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class PartLoader:
    """Loads a slice part after part, in any order, and keeps their digests in the slice's."""

    def __init__(
        self,
        source: ModelSource,
        layers: LayerRange,
        *,
        is_entry: bool,
        manifest: ModelManifest | None,
        dtype: str,
    ) -> None:
        if layers.end > source.architecture.layer_count:
            raise SplitInvalid(f"{layers} reaches beyond {source.architecture.layer_count} layers")
        check_architecture(source.architecture, manifest)
        self.dtype = _DTYPES[dtype]
        self._source = source
        self._manifest = manifest
        self._layer_digests: dict[int, bytes] = {}
        self._entry_digests: tuple[bytes, ...] = ()
        # First, because it takes memory for a moment, and the weights are not there yet.
        self._tokenizer = read_tokenizer_files(source) if is_entry else None

    @property
    def slice_digest(self) -> bytes:
        """Of what was loaded so far: the slice's, after all of it."""
        layers = (digest for _, digest in sorted(self._layer_digests.items()))
        return keccak256(b"".join((*layers, *self._entry_digests)))

    def layer(self, layer: int) -> dict[str, torch.Tensor]:
        """A layer's tensors by the names of `tensor_places`."""
        expected = self._manifest.layer_digests[layer] if self._manifest else None
        tensors, self._layer_digests[layer] = self._fill(layer_part(self._source, layer), expected)
        return tensors

    def entry(self) -> dict[str, torch.Tensor]:
        """What an entry has beyond its layers."""
        assert self._tokenizer is not None
        manifest = self._manifest
        embedding, first = self._fill(
            embedding_part(self._source, self._tokenizer),
            manifest.embedding_digest if manifest else None,
        )
        head, last = self._fill(head_part(self._source), manifest.head_digest if manifest else None)
        self._entry_digests = (first, last)
        return embedding | head

    def _fill(self, part: Part, expected: bytes | None) -> tuple[dict[str, torch.Tensor], bytes]:
        """The part's tensors in memory, by name, and its digest. Raises `DigestMismatch`."""
        tensors = {
            name: torch.empty(shape, dtype=self.dtype)
            for name, shape in part.places.targets.items()
        }
        running = PartDigest(part)
        for slot in part.slots:
            self._copy(running, slot, tensors[slot.target])
        digest = running.digest()
        check_digest(part, expected, digest)
        return tensors, digest

    def _copy(self, running: PartDigest, slot: Slot, target: torch.Tensor) -> None:
        tensor = self._source.tensors.find(slot.name)
        if tensor.shape != slot.shape:
            raise TensorInvalid(
                slot.name, f"has shape {tensor.shape}, and {slot.shape} was expected"
            )
        decode = decoder(tensor)
        placement = Placement(slot, target)
        for first, piece in running.pieces(tensor):
            placement.put(first, decode(piece, len(piece) // tensor.row_bytes))


def return_freed_memory() -> None:
    """glibc keeps what loading freed unless told otherwise; other C libraries have no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

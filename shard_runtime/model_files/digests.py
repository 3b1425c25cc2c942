# SPDX-License-Identifier: Apache-2.0
"""Digests of a model's parts, over the bytes as they stand in the published files. docs/protocol.md
section 2.

One pass serves two ends: whoever loads a tensor hashes the same bytes that it converts, so a digest
is always of what was loaded.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from shard_runtime.architecture import Architecture
from shard_runtime.errors import DigestMismatch
from shard_runtime.model_files.source import ModelSource
from shard_runtime.model_files.tensors.tensor_file import StoredTensor, read_pieces
from shard_runtime.model_files.tensors.tensor_places import (
    Places,
    Slot,
    embedding_places,
    head_places,
    layer_places,
)
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles, read_tokenizer_files
from teetee.protocol.manifest import ModelManifest


@dataclass(frozen=True, slots=True)
class Part:
    """A layer, the embedding or the head: what its digest begins with, and its tensors."""

    title: str
    prefix: bytes
    places: Places

    @property
    def slots(self) -> list[Slot]:
        """Sorted by name, as they are hashed."""
        return sorted(self.places.slots, key=lambda slot: slot.name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(slot.name for slot in self.slots)


class PartDigest:
    """Hashes a part while somebody reads it. Tensors have to come in the part's order."""

    def __init__(self, part: Part) -> None:
        self._hash = sha256(part.prefix + _u32(len(part.places.slots)))

    def pieces(self, tensor: StoredTensor) -> Iterator[tuple[int, bytearray]]:
        """The tensor's bytes, hashed on the way: (first row, bytes)."""
        name, dtype = tensor.name.encode(), tensor.dtype.encode()
        self._hash.update(_u32(len(name)) + name + _u32(len(dtype)) + dtype)
        rank = len(tensor.dimensions)
        self._hash.update(struct.pack(f">I{rank}QQ", rank, *tensor.dimensions, tensor.byte_length))
        for first, piece in read_pieces(tensor):
            self._hash.update(piece)
            yield first, piece

    def digest(self) -> bytes:
        return self._hash.digest()


def layer_part(source: ModelSource, layer: int) -> Part:
    prefix = b"teetee/layer/v1" + source.architecture.digest() + _u32(layer)
    places = layer_places(source.architecture, layer, source.names)
    return Part(f"layer {layer}", prefix, places)


def embedding_part(source: ModelSource, tokenizer: TokenizerFiles) -> Part:
    prefix = b"teetee/embedding/v1" + source.architecture.digest() + tokenizer.digest()
    return Part("embedding", prefix, embedding_places(source.architecture, source.names))


def head_part(source: ModelSource) -> Part:
    prefix = b"teetee/head/v1" + source.architecture.digest()
    return Part("head", prefix, head_places(source.architecture, source.names))


def publish(source: ModelSource) -> ModelManifest:
    """Read everything once and make the manifest.

    Raises `TensorMissing`, `ModelFileInvalid`, `TokenizerInvalid`, and `TokenizerMissing` for a
    GGUF whose tokenizer cannot be built here. Shapes and types are a matter of loading, which is
    not done here.
    """
    architecture = source.architecture
    tokenizer = read_tokenizer_files(source)
    return ModelManifest(
        name=source.name,
        layer_count=architecture.layer_count,
        config_digest=architecture.digest(),
        layer_digests=tuple(
            _digest(source, layer_part(source, layer)) for layer in range(architecture.layer_count)
        ),
        embedding_digest=_digest(source, embedding_part(source, tokenizer)),
        head_digest=_digest(source, head_part(source)),
        context_length=architecture.context_length,
    )


def check_digest(part: Part, expected: bytes | None, found: bytes) -> None:
    """Raises `DigestMismatch`, naming the part's tensors: one of them differs."""
    if expected is not None and expected != found:
        raise DigestMismatch(part.title, part.names, expected, found)


def check_architecture(architecture: Architecture, manifest: ModelManifest | None) -> None:
    """Raises `DigestMismatch` when this is another model than the manifest's."""
    if manifest is not None and manifest.config_digest != architecture.digest():
        raise DigestMismatch("architecture", (), manifest.config_digest, architecture.digest())


def _digest(source: ModelSource, part: Part) -> bytes:
    running = PartDigest(part)
    for name in part.names:
        for _ in running.pieces(source.tensors.find(name)):
            pass
    return running.digest()


def _u32(number: int) -> bytes:
    return number.to_bytes(4)

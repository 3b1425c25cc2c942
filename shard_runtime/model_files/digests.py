# SPDX-License-Identifier: Apache-2.0
"""Digests of a model's parts, over the bytes of the published files (docs/protocol.md section 2).

Loading hashes the same bytes that it converts, so a digest always describes what was loaded.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from shard_runtime.architecture import Architecture
from shard_runtime.errors import DigestMismatch
from shard_runtime.model_files.source import ModelSource
from shard_runtime.model_files.tensors.slot_tensor import find_slot_tensor
from shard_runtime.model_files.tensors.tensor_layout import (
    Slot,
    TensorLayout,
    embedding_layout,
    head_layout,
    layer_layout,
    model_layouts,
)
from shard_runtime.model_files.tensors.tensor_store import StoredTensor, read_pieces
from shard_runtime.model_files.tokenizer.template_tokens import measure_template
from shard_runtime.model_files.tokenizer.token_ids import token_ids_digest
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles
from teetee.protocol.manifest import DEFAULT_PRECISION, ModelManifest


@dataclass(frozen=True, slots=True)
class ModelPart:
    """A layer, the embedding or the head: the prefix of its digest, and its tensors."""

    title: str
    prefix: bytes
    layout: TensorLayout

    @property
    def slots(self) -> list[Slot]:
        """Sorted by name, the order in which tensors are hashed."""
        return sorted(self.layout.slots, key=lambda slot: slot.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its stored tensors, in the order in which they are hashed."""
        return tuple(slot.name for slot in self.slots)


class PartDigest:
    """Hashes a part while a caller reads it. Tensors must be read in the order of `slots`."""

    def __init__(self, part: ModelPart) -> None:
        self._hash = sha256(part.prefix + _u32(len(part.layout.slots)))

    def read_pieces(self, tensor: StoredTensor) -> Iterator[tuple[int, bytearray]]:
        """Yields the tensor's bytes as (first row, bytes), and hashes them."""
        name, dtype = tensor.name.encode(), tensor.dtype.encode()
        self._hash.update(_u32(len(name)) + name + _u32(len(dtype)) + dtype)
        rank = len(tensor.dimensions)
        self._hash.update(struct.pack(f">I{rank}QQ", rank, *tensor.dimensions, tensor.byte_length))
        for first, piece in read_pieces(tensor):
            self._hash.update(piece)
            yield first, piece

    def digest(self) -> bytes:
        """The digest of everything read so far, 32 bytes."""
        return self._hash.digest()


def layer_part(source: ModelSource, layer: int, precision: str = DEFAULT_PRECISION) -> ModelPart:
    """One decoder layer."""
    prefix = b"teetee/layer/v1" + source.architecture.digest(precision) + _u32(layer)
    layout = layer_layout(source.architecture, layer, source.names)
    return ModelPart(f"layer {layer}", prefix, layout)


def embedding_part(
    source: ModelSource, tokenizer: TokenizerFiles, precision: str = DEFAULT_PRECISION
) -> ModelPart:
    """The embedding. Its digest also covers the tokenizer."""
    prefix = b"teetee/embedding/v1" + source.architecture.digest(precision) + tokenizer.digest()
    return ModelPart("embedding", prefix, embedding_layout(source.architecture, source.names))


def head_part(source: ModelSource, precision: str = DEFAULT_PRECISION) -> ModelPart:
    """The final norm and the LM head."""
    prefix = b"teetee/head/v1" + source.architecture.digest(precision)
    return ModelPart("head", prefix, head_layout(source.architecture, source.names))


def build_manifest(source: ModelSource, precision: str = DEFAULT_PRECISION) -> ModelManifest:
    """Reads the whole model once and returns its digests, for shards that compute in that
    precision, as a manifest.

    Refuses every model that loading would refuse. Raises `TensorMissing`, `TensorInvalid`,
    `ModelFileInvalid`, `TokenizerInvalid`.
    """
    check_tensors(source)
    architecture = source.architecture
    tokenizer = source.read_tokenizer_files()
    model_tokenizer = ModelTokenizer(tokenizer, source.name)
    return ModelManifest(
        name=source.name,
        layer_count=architecture.layer_count,
        config_digest=architecture.digest(precision),
        layer_digests=tuple(
            _digest(source, layer_part(source, layer, precision))
            for layer in range(architecture.layer_count)
        ),
        embedding_digest=_digest(source, embedding_part(source, tokenizer, precision)),
        head_digest=_digest(source, head_part(source, precision)),
        context_length=architecture.context_length,
        token_ids_digest=token_ids_digest(model_tokenizer),
        template_tokens=measure_template(model_tokenizer),
        precision=precision,
    )


def check_tensors(source: ModelSource) -> None:
    """Checks that the files hold every tensor of the model, as loading all of it would.

    Reads only headers. Raises `TensorMissing`, `TensorInvalid`.
    """
    for layout in model_layouts(source.architecture, source.names):
        for slot in layout.slots:
            find_slot_tensor(source.tensors, slot)


def check_digest(part: ModelPart, expected: bytes | None, found: bytes) -> None:
    """Raises `DigestMismatch`, naming the part's tensors, if the digests differ."""
    if expected is not None and expected != found:
        raise DigestMismatch(part.title, part.names, expected, found)


def check_architecture(
    architecture: Architecture, precision: str, manifest: ModelManifest | None
) -> None:
    """Raises `DigestMismatch` if the manifest is of another model or precision."""
    if manifest is None:
        return
    found = architecture.digest(precision)
    if manifest.config_digest != found:
        part = f"architecture in {manifest.precision}, here in {precision}"
        if manifest.precision == precision:
            part = "architecture"
        raise DigestMismatch(part, (), manifest.config_digest, found)


def _digest(source: ModelSource, part: ModelPart) -> bytes:
    digest = PartDigest(part)
    for name in part.names:
        for _ in digest.read_pieces(source.tensors.find_tensor(name)):
            pass
    return digest.digest()


def _u32(number: int) -> bytes:
    return number.to_bytes(4)

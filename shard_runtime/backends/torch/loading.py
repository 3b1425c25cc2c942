# SPDX-License-Identifier: Apache-2.0
"""Loads a slice of a model for the torch backend."""

from shard_runtime.backends.torch.decoder_layer import DecoderLayer
from shard_runtime.backends.torch.torch_shard import EntryWeights, TorchShard
from shard_runtime.model_files.source import ModelSource
from shard_runtime.model_files.weight_loader import WeightLoader, return_freed_memory
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest


def load_torch_shard(
    source: ModelSource,
    layers: LayerRange,
    *,
    is_entry: bool,
    manifest: ModelManifest | None = None,
    dtype: str = "float32",
) -> TorchShard:
    """Loads one slice.

    dtype: float32, bfloat16 or float16. manifest: the published digests; every part is compared.
    Raises `TensorMissing`, `TensorInvalid`, `ModelFileInvalid`, `DigestMismatch`.
    """
    loader = WeightLoader(source, layers, is_entry=is_entry, manifest=manifest, dtype=dtype)
    architecture = source.architecture
    modules = tuple(
        DecoderLayer(architecture, layer, layer - layers.first, loader.load_layer(layer))
        for layer in layers.indices
    )
    entry = EntryWeights(architecture, loader.load_entry()) if is_entry else None
    return_freed_memory()
    return TorchShard(
        architecture=architecture,
        layers=layers,
        modules=modules,
        entry=entry,
        slice_digest=loader.slice_digest,
        dtype=loader.dtype,
    )

# SPDX-License-Identifier: Apache-2.0
"""Opens a folder with config.json and safetensors, and refuses what would be computed wrongly."""

from dataclasses import replace
from pathlib import Path

from shard_runtime.architecture import Architecture
from shard_runtime.errors import AdapterUnsupported, QuantizationUnsupported
from shard_runtime.model_files.config.config_json import read_config_json
from shard_runtime.model_files.config.model_config import is_wrapped
from shard_runtime.model_files.tensors.dequantization import dequantizer_for
from shard_runtime.model_files.tensors.safetensors_file import read_safetensors
from shard_runtime.model_files.tensors.tensor_layout import stored_slots
from shard_runtime.model_files.tensors.tensor_names import (
    FileFormat,
    TensorNames,
    detect_tensor_names,
)
from shard_runtime.model_files.tensors.tensor_store import TensorStore, read_pieces
from shard_runtime.model_files.tensors.unused_tensors import refuse_unused_tensors

_ADAPTER = "adapter_config.json"
_QUANTIZATION_FILES = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")
"""Where quantization tools describe a method that config.json does not."""


def read_folder(folder: Path) -> tuple[Architecture, TensorStore]:
    """The architecture and the tensors. A tensor may be missing: a shard needs only its own.

    Raises `ModelError` for everything else that loading the whole model would refuse.
    """
    if (folder / _ADAPTER).is_file():
        raise AdapterUnsupported(str(folder / _ADAPTER))
    for name in _QUANTIZATION_FILES:
        if (folder / name).is_file():
            raise QuantizationUnsupported(str(folder), f"it has the file {name}")
    architecture, tensors = read_config_json(folder / "config.json"), read_safetensors(folder)
    names = detect_tensor_names(FileFormat.SAFETENSORS, architecture.name, tensors)
    if architecture.tied_embedding and _has_own_head(tensors, names):
        architecture = replace(architecture, tied_embedding=False)
    has_images = is_wrapped(folder / "config.json")
    refuse_unused_tensors(tensors, architecture, names, has_images=has_images)
    for name in stored_slots(architecture, names, tensors):
        if name in tensors:
            dequantizer_for(tensors.find_tensor(name))
    return architecture, tensors


def _has_own_head(tensors: TensorStore, names: TensorNames) -> bool:
    """Whether the files have an LM head that is no copy of the embedding.

    transformers then computes with it, although the config ties the two.
    """
    embedding_name = names.model_tensor("embedding")
    if names.head not in tensors or embedding_name not in tensors:
        return False
    head, embedding = tensors.find_tensor(names.head), tensors.find_tensor(embedding_name)
    if (head.dtype, head.shape) != (embedding.dtype, embedding.shape):
        return True
    pieces = zip(read_pieces(head), read_pieces(embedding), strict=True)
    return any(piece != other for piece, other in pieces)

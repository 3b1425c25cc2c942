# SPDX-License-Identifier: Apache-2.0
"""Reads a GGUF model's headers and checks them, so that all who open it refuse the same files."""

from pathlib import Path

from shard_runtime.architecture import Architecture
from shard_runtime.errors import TensorInvalid, TensorUnused
from shard_runtime.model_files.gguf.gguf_file import GgufFile
from shard_runtime.model_files.gguf.metadata import read_gguf_metadata
from shard_runtime.model_files.gguf.parts import read_parts
from shard_runtime.model_files.gguf.rope import DIVISORS
from shard_runtime.model_files.tensors.slot_tensor import find_slot_tensor
from shard_runtime.model_files.tensors.tensor_layout import stored_slots
from shard_runtime.model_files.tensors.tensor_names import FileFormat, detect_tensor_names

_EXCLUDED_TYPES = ("F64",)
"""llama.cpp cannot compute with it, so no model is published in it."""


def open_gguf(path: Path) -> tuple[GgufFile, Architecture]:
    """Opens the model of which `path` is the file or the first part.

    Raises what `read_parts` and `read_gguf_metadata` raise, `TensorUnused` and `TensorInvalid`.
    """
    gguf = read_parts(path)
    architecture = read_gguf_metadata(gguf)
    _check_tensors(gguf, architecture)
    return gguf, architecture


def _check_tensors(gguf: GgufFile, architecture: Architecture) -> None:
    """Refuses tensors that nothing uses, as llama.cpp does (a bias, a norm, a scale), and those of
    another shape or type. Missing ones are not looked for: no shard needs all.
    """
    names = detect_tensor_names(FileFormat.GGUF, architecture.name, gguf.tensors)
    slots = stored_slots(architecture, names, gguf.tensors)
    divisors = DIVISORS.get(architecture.rope_scaling.kind, ())
    stored = [tensor for tensor in gguf.tensors if tensor.name not in divisors]
    unused = [tensor for tensor in stored if tensor.name not in slots]
    if unused:
        raise TensorUnused(str(unused[0].path), tuple(tensor.name for tensor in unused))
    for tensor in stored:
        if tensor.dtype in _EXCLUDED_TYPES:
            raise TensorInvalid(tensor.name, f"is stored as {tensor.dtype}, which is not supported")
        find_slot_tensor(gguf.tensors, slots[tensor.name])

# SPDX-License-Identifier: Apache-2.0
"""Reads the header of a safetensors file: `u64 length (little-endian) ‖ JSON ‖ tensor bytes`.

The safetensors package is not used because it maps the file into memory.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shard_runtime.errors import ModelFileInvalid
from shard_runtime.model_files.tensors.tensor_store import StoredTensor, TensorStore
from teetee.protocol.json.distinct import load_object

_MAX_HEADER_BYTES = 100 << 20  # the format's own limit
_ENTRY_FIELDS = {"dtype", "shape", "data_offsets"}
_ITEM_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""All types of the format. Only some hold weights; loading one of the others is an error."""


def read_safetensors(folder: Path) -> TensorStore:
    """Reads the headers of a folder: of `model.safetensors` (which wins over an index, as in
    transformers), of the files in `model.safetensors.index.json`, or of every `*.safetensors`.

    Raises `ModelFileInvalid`, and `TensorAmbiguous` if two files hold the same tensor.
    """
    return TensorStore(tensor for file in _files(folder) for tensor in _read_header(file))


def _files(folder: Path) -> list[Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    try:
        weight_map = load_object(index.read_bytes())["weight_map"]
        names = set(weight_map.values())
    except OSError as error:
        raise ModelFileInvalid(str(index), f"it cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelFileInvalid(str(index), "it must have a weight_map") from None
    if not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise ModelFileInvalid(str(index), "the weight_map must name files in the same folder")
    return [folder / name for name in sorted(names)]


def _read_header(path: Path) -> list[StoredTensor]:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
                raise ModelFileInvalid(str(path), "the header reaches beyond the end of the file")
            header = load_object(file.read(length))
    except OSError as error:
        raise ModelFileInvalid(str(path), f"it cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ModelFileInvalid(str(path), f"the header {error}") from None
    header.pop("__metadata__", None)  # notes, such as the framework that wrote the file
    start = 8 + length
    tensors = [_tensor(path, name, entry, start, size) for name, entry in header.items()]
    _require_whole_cover(path, tensors, start, size)
    return tensors


def _tensor(path: Path, name: str, entry: Any, start: int, size: int) -> StoredTensor:
    if not isinstance(entry, Mapping) or set(entry) != _ENTRY_FIELDS:
        raise ModelFileInvalid(str(path), f"the entry of {name} is malformed")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not (_are_lengths(shape) and _are_lengths(offsets) and len(offsets) == 2):
        raise ModelFileInvalid(str(path), f"the entry of {name} is malformed")
    begin, end = offsets
    if not begin <= end <= size - start:
        raise ModelFileInvalid(str(path), f"{name} reaches beyond the end of the file")
    if not isinstance(dtype, str) or dtype not in _ITEM_BITS:
        raise ModelFileInvalid(str(path), f"{name} is of the unknown type {dtype}")
    if math.prod(shape) * _ITEM_BITS[dtype] != (end - begin) * 8:
        raise ModelFileInvalid(str(path), f"the size of {name} does not match its shape")
    dimensions = tuple(shape)
    return StoredTensor(name, dtype, dimensions, dimensions, path, start + begin, end - begin)


def _require_whole_cover(path: Path, tensors: list[StoredTensor], start: int, size: int) -> None:
    """The tensors must follow each other without gap or overlap, as the format demands."""
    end = start
    for tensor in sorted(tensors, key=lambda tensor: (tensor.offset, tensor.byte_length)):
        if tensor.offset != end:
            raise ModelFileInvalid(str(path), f"{tensor.name} overlaps or leaves a gap")
        end += tensor.byte_length
    if end != size:
        raise ModelFileInvalid(str(path), "it has bytes that belong to no tensor")


def _are_lengths(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)

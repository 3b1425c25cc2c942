# SPDX-License-Identifier: Apache-2.0
"""Reads the header of a safetensors file: `u64 length (little-endian) ‖ JSON ‖ tensor bytes`.

The safetensors package is not used because it maps the file into memory.
"""

import math
from pathlib import Path
from typing import Any

from shard_runtime.errors import ModelFileInvalid
from shard_runtime.model_files.tensors.tensor_store import StoredTensor, TensorStore
from teetee.protocol.json import shallow as shallow_json

_MAX_HEADER_BYTES = 100 << 20  # the format's own limit

_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Weight types. A file may hold tensors of other types; loading one of those is an error."""


def read_safetensors(folder: Path) -> TensorStore:
    """Reads the headers of a folder: of the files in `model.safetensors.index.json`, of
    `model.safetensors`, or of every `*.safetensors`.

    Raises `ModelFileInvalid`.
    """
    return TensorStore(tensor for file in _files(folder) for tensor in _read_header(file))


def _files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = set(shallow_json.load(index.read_bytes())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ModelFileInvalid(str(index), "it must have a weight_map") from None
        if not all(isinstance(name, str) and Path(name).name == name for name in names):
            raise ModelFileInvalid(str(index), "the weight_map must name files in the same folder")
        return [folder / name for name in sorted(names)]
    single = folder / "model.safetensors"
    return [single] if single.is_file() else sorted(folder.glob("*.safetensors"))


def _read_header(path: Path) -> list[StoredTensor]:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
                raise ModelFileInvalid(str(path), "the header reaches beyond the end of the file")
            header = shallow_json.load(file.read(length))
    except OSError as error:
        raise ModelFileInvalid(str(path), f"it cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ModelFileInvalid(str(path), f"the header {error}") from None
    if not isinstance(header, dict):
        raise ModelFileInvalid(str(path), "the header is not an object")
    start = 8 + length
    return [
        _tensor(path, name, entry, start, size)
        for name, entry in header.items()
        if name != "__metadata__"
    ]


def _tensor(path: Path, name: str, entry: Any, start: int, size: int) -> StoredTensor:
    try:
        dtype, shape = str(entry["dtype"]), tuple(int(length) for length in entry["shape"])
        begin, end = (int(offset) for offset in entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise ModelFileInvalid(str(path), f"the entry of {name} is malformed") from None
    if not 0 <= begin <= end <= size - start or any(length < 1 for length in shape):
        raise ModelFileInvalid(str(path), f"{name} reaches beyond the end of the file")
    if dtype in _ITEM_BYTES and math.prod(shape) * _ITEM_BYTES[dtype] != end - begin:
        raise ModelFileInvalid(str(path), f"the size of {name} does not match its shape")
    return StoredTensor(name, dtype, shape, shape, path, start + begin, end - begin)

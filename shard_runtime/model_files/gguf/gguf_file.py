# SPDX-License-Identifier: Apache-2.0
"""The header of a GGUF file, versions 2 and 3: metadata, then where the tensors lie.

Read here, not by the gguf package's reader, because that maps the file and builds some hundred
thousand objects out of the tokenizer, in each stage. Long lists (tokens, merges) are skipped: the
tokenizer is made elsewhere.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from shard_runtime.errors import ModelFileInvalid
from shard_runtime.model_files.tensors.tensor_file import StoredTensor, TensorStore

_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_MAX_STRING_BYTES = 16 << 20
_MAX_ENTRIES = 1 << 20
_KEPT_ARRAY_LENGTH = 1024
_MAX_DIMENSIONS = 4


@dataclass(frozen=True, slots=True)
class GgufFile:
    """Metadata without long lists, and the tensors."""

    path: Path
    metadata: dict[str, Any]
    tensors: TensorStore


def read_gguf(path: Path) -> GgufFile:
    """Read the header. Raises `ModelFileInvalid`."""
    try:
        with path.open("rb") as file:
            return _Reader(path, file).read()
    except OSError as error:
        raise ModelFileInvalid(str(path), f"it cannot be read ({error.strerror})") from None
    except (struct.error, UnicodeDecodeError):
        raise ModelFileInvalid(str(path), "its header is cut off or garbled") from None


class _Reader:
    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = path.stat().st_size

    def read(self) -> GgufFile:
        if self._file.read(4) != b"GGUF":
            raise self._invalid("it does not begin with GGUF")
        version, tensor_count, entry_count = self._unpack("<IQQ")
        if version not in (2, 3):
            raise self._invalid(f"its version is {version}, and 2 and 3 are known")
        if max(tensor_count, entry_count) > _MAX_ENTRIES:
            raise self._invalid("its header counts more entries than a model has")
        metadata = {}
        for _ in range(entry_count):
            key = self._string()
            metadata[key] = self._value(self._unpack("<I")[0])
        described = [self._description() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1:
            raise self._invalid("its alignment is not a positive number")
        start = -(-self._file.tell() // alignment) * alignment
        store = TensorStore(self._tensor(start, *entry) for entry in described)
        return GgufFile(self._path, metadata, store)

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))

    def _string(self) -> str:
        (length,) = self._unpack("<Q")
        if length > _MAX_STRING_BYTES:
            raise self._invalid("a string in its header is too long")
        return self._file.read(length).decode()

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        if kind not in _SCALARS:
            raise self._invalid(f"its header has a value of unknown type {kind}")
        return self._unpack("<" + _SCALARS[kind])[0]

    def _array(self) -> list[Any] | None:
        kind, length = self._unpack("<IQ")
        if length <= _KEPT_ARRAY_LENGTH and kind != _ARRAY:
            return [self._value(kind) for _ in range(length)]
        if kind == _STRING:
            for _ in range(length):
                self._skip(self._unpack("<Q")[0])
        elif kind in _SCALARS:
            self._skip(length * struct.calcsize("<" + _SCALARS[kind]))
        else:
            raise self._invalid("its header has lists of lists")
        return None

    def _skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise self._invalid("its header reaches beyond the file")
        self._file.seek(count, 1)

    def _description(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._string()
        (rank,) = self._unpack("<I")
        if not 1 <= rank <= _MAX_DIMENSIONS:
            raise self._invalid(f"{name} has {rank} dimensions")
        dimensions = self._unpack(f"<{rank}Q")
        kind, offset = self._unpack("<IQ")
        return name, dimensions, kind, offset

    def _tensor(
        self, start: int, name: str, dimensions: tuple[int, ...], kind: int, offset: int
    ) -> StoredTensor:
        try:
            quantization = GGMLQuantizationType(kind)
        except ValueError:
            raise self._invalid(f"{name} is of unknown type {kind}") from None
        block, block_bytes = GGML_QUANT_SIZES[quantization]
        if min(dimensions) < 1 or dimensions[0] % block:
            raise self._invalid(f"{name} has a row that is not made of whole blocks")
        byte_length = math.prod(dimensions) // block * block_bytes
        if start + offset + byte_length > self._size:
            raise self._invalid(f"{name} reaches beyond the file")
        shape = tuple(reversed(dimensions))
        return StoredTensor(
            name, quantization.name, dimensions, shape, self._path, start + offset, byte_length
        )

    def _invalid(self, rule: str) -> ModelFileInvalid:
        return ModelFileInvalid(str(self._path), rule)

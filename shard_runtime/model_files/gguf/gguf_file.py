# SPDX-License-Identifier: Apache-2.0
"""Reads the header of one GGUF file, versions 2 and 3: the metadata and each tensor's location.

As in llama.cpp (ggml/src/gguf.cpp, `gguf_init_from_file_impl`), the tensors' bytes follow each
other without gaps, so that no two can overlap, and no key or tensor occurs twice.

The gguf package's reader is not used because it maps the file into memory and builds some hundred
thousand objects for the tokenizer, in every stage. Long arrays (tokens, merges) are skipped unless
the caller names them: tokenizer_json.py converts the tokenizer.
"""

import math
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from shard_runtime.errors import ModelFileInvalid
from shard_runtime.model_files.tensors.tensor_store import StoredTensor, TensorStore

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
_VERSIONS = (2, 3)
_MAX_STRING_BYTES = 16 << 20
_MAX_HEADER_ENTRIES = 1 << 20
_MAX_KEPT_ARRAY_LENGTH = 1024
_MAX_DIMENSIONS = 4
_DEFAULT_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file's metadata, without long arrays, and its tensors."""

    path: Path
    metadata: dict[str, Any]
    """None in the place of a long array."""
    tensors: TensorStore
    parts: tuple[Path, ...] = ()
    """All files of a model in parts, the first of which is `path`; empty for a model in one."""


def read_gguf(path: Path, long_arrays: Collection[str] = ()) -> GgufFile:
    """Reads the header.

    long_arrays: keys whose arrays are kept however long they are.
    Raises `ModelFileInvalid`.
    """
    try:
        with path.open("rb") as file:
            return _Reader(path, file, long_arrays).read()
    except OSError as error:
        raise ModelFileInvalid(str(path), f"it cannot be read ({error.strerror})") from None
    except (struct.error, UnicodeDecodeError):
        raise ModelFileInvalid(str(path), "the header is truncated or corrupt") from None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tensor as the header describes it; the offset counts from the first tensor's bytes."""

    name: str
    dimensions: tuple[int, ...]
    kind: int
    offset: int


class _Reader:
    def __init__(self, path: Path, file: BinaryIO, long_arrays: Collection[str]) -> None:
        self._path = path
        self._file = file
        self._long_arrays = frozenset(long_arrays)
        self._size = path.stat().st_size

    def read(self) -> GgufFile:
        tensor_count, entry_count = self._read_counts()
        metadata: dict[str, Any] = {}
        for _ in range(entry_count):
            key = self._read_string()
            if key in metadata:
                raise self._invalid(f"the key {key} occurs twice")
            kind = self._unpack("<I")[0]
            metadata[key] = self._read_value(kind, keep_long=key in self._long_arrays)
        entries = [self._read_tensor_entry() for _ in range(tensor_count)]
        tensors = self._locate(entries, self._alignment(metadata))
        return GgufFile(self._path, metadata, TensorStore(tensors))

    def _read_counts(self) -> tuple[int, int]:
        """(tensors, metadata entries), checked."""
        magic = self._file.read(4)
        if magic != b"GGUF":
            raise self._invalid(f"it does not begin with GGUF but with {magic!r}")
        version, tensor_count, entry_count = self._unpack("<IQQ")
        if version not in _VERSIONS and int.from_bytes(version.to_bytes(4), "little") in _VERSIONS:
            raise self._invalid("it is big-endian; only little-endian files are supported")
        if version not in _VERSIONS:
            raise self._invalid(f"its version is {version}; versions 2 and 3 are supported")
        if max(tensor_count, entry_count) > _MAX_HEADER_ENTRIES:
            raise self._invalid("the header announces more entries than a model can have")
        return tensor_count, entry_count

    def _alignment(self, metadata: dict[str, Any]) -> int:
        alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        is_integer = isinstance(alignment, int) and not isinstance(alignment, bool)
        if not is_integer or alignment < 1 or alignment & (alignment - 1):
            raise self._invalid(f"general.alignment is {alignment!r:.40}, not a power of two")
        return int(alignment)

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))

    def _read_string(self) -> str:
        (length,) = self._unpack("<Q")
        if length > _MAX_STRING_BYTES:
            raise self._invalid("a string in the header is too long")
        return self._file.read(length).decode()

    def _read_value(self, kind: int, *, keep_long: bool = False) -> Any:
        if kind == _STRING:
            return self._read_string()
        if kind == _ARRAY:
            return self._read_array(keep_long=keep_long)
        if kind not in _SCALARS:
            raise self._invalid(f"the header has a value of unknown type {kind}")
        return self._unpack("<" + _SCALARS[kind])[0]

    def _read_array(self, *, keep_long: bool) -> list[Any] | None:
        kind, length = self._unpack("<IQ")
        limit = _MAX_HEADER_ENTRIES if keep_long else _MAX_KEPT_ARRAY_LENGTH
        if length <= limit and kind != _ARRAY:
            return [self._read_value(kind) for _ in range(length)]
        if kind == _STRING:
            for _ in range(length):
                self._skip(self._unpack("<Q")[0])
        elif kind in _SCALARS:
            self._skip(length * struct.calcsize("<" + _SCALARS[kind]))
        else:
            raise self._invalid("the header has nested arrays")
        return None

    def _skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise self._invalid("the header reaches beyond the end of the file")
        self._file.seek(count, 1)

    def _read_tensor_entry(self) -> _Entry:
        name = self._read_string()
        (rank,) = self._unpack("<I")
        if not 1 <= rank <= _MAX_DIMENSIONS:
            raise self._invalid(f"{name} has {rank} dimensions")
        dimensions = self._unpack(f"<{rank}Q")
        kind, offset = self._unpack("<IQ")
        return _Entry(name, dimensions, kind, offset)

    def _locate(self, entries: list[_Entry], alignment: int) -> Iterator[StoredTensor]:
        """The tensors, each where the padded bytes of the previous ones end."""
        start = -(-self._file.tell() // alignment) * alignment
        names, expected = set(), 0
        for entry in entries:
            if entry.name in names:
                raise self._invalid(f"the tensor {entry.name} occurs twice")
            names.add(entry.name)
            if entry.offset != expected:
                raise self._invalid(
                    f"the bytes of {entry.name} begin at {entry.offset}, not where those of the "
                    f"previous tensor end, at {expected}"
                )
            tensor = self._tensor(start, entry)
            expected += -(-tensor.byte_length // alignment) * alignment
            yield tensor

    def _tensor(self, start: int, entry: _Entry) -> StoredTensor:
        name, dimensions = entry.name, entry.dimensions
        try:
            quantization = GGMLQuantizationType(entry.kind)
        except ValueError:
            raise self._invalid(f"{name} is of unknown type {entry.kind}") from None
        block, block_bytes = GGML_QUANT_SIZES[quantization]
        if min(dimensions) < 1:
            raise self._invalid(f"{name} has the dimensions {dimensions}; each must be at least 1")
        if dimensions[0] % block:
            raise self._invalid(
                f"the rows of {name}, {dimensions[0]} long, are not whole blocks of {block} "
                f"{quantization.name} numbers"
            )
        byte_length = math.prod(dimensions) // block * block_bytes
        end = start + entry.offset + byte_length
        if end > self._size:
            raise self._invalid(
                f"{name} reaches beyond the end of the file, to byte {end} of {self._size}"
            )
        shape = tuple(reversed(dimensions))
        offset = start + entry.offset
        return StoredTensor(
            name, quantization.name, dimensions, shape, self._path, offset, byte_length
        )

    def _invalid(self, rule: str) -> ModelFileInvalid:
        return ModelFileInvalid(str(self._path), rule)

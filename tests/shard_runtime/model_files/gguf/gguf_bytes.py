# SPDX-License-Identifier: Apache-2.0
"""GGUF headers byte by byte, for files that no writer makes."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ALIGNMENT = 32
F32 = 0


@dataclass(frozen=True)
class Entry:
    """A tensor as the header describes it."""

    name: str = "a"
    dimensions: tuple[int, ...] = (8,)
    kind: int = F32
    offset: int = 0


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def key(name: str, value: str | int) -> bytes:
    """A string, or an unsigned 32-bit integer."""
    if isinstance(value, str):
        return text(name) + struct.pack("<I", 8) + text(value)
    return text(name) + struct.pack("<II", 4, value)


def entry(tensor: Entry) -> bytes:
    rank = len(tensor.dimensions)
    return text(tensor.name) + struct.pack(
        f"<I{rank}QIQ", rank, *tensor.dimensions, tensor.kind, tensor.offset
    )


def write_bytes(
    path: Path,
    *,
    keys: Sequence[bytes] = (key("general.architecture", "llama"),),
    tensors: Sequence[Entry] = (Entry(),),
    data_bytes: int = 64,
    version: int = 3,
    alignment: int = ALIGNMENT,
) -> Path:
    """A file with these keys and tensors, and zeros for data."""
    header = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    header += b"".join(keys) + b"".join(map(entry, tensors))
    padding = -len(header) % alignment
    path.write_bytes(header + bytes(padding + data_bytes))
    return path


def in_sequence(*tensors: Entry) -> list[Entry]:
    """F32 tensors of up to 8 numbers, each at the next multiple of the alignment."""
    return [replace(each, offset=index * ALIGNMENT) for index, each in enumerate(tensors)]

# SPDX-License-Identifier: Apache-2.0
"""Finds and reads the GGUF files of one model: a single file, or parts that llama-gguf-split wrote
(`name-00001-of-00003.gguf`).

As in llama.cpp (src/llama-model-loader.cpp), the first part has the metadata, `split.no` counts
from 0, and the parts together hold `split.tensors.count` tensors. Digests are of tensors, so those
of a model in parts equal those of the same model in one file.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shard_runtime.errors import ModelError, ModelFileInvalid, ModelPartMissing
from shard_runtime.model_files.config.fields import ConfigFields
from shard_runtime.model_files.gguf.gguf_file import GgufFile, read_gguf
from shard_runtime.model_files.tensors.tensor_store import TensorStore

_PART = re.compile(r"(?P<model>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
_MAX_PARTS = 0xFFFF
_KEYS_OF_ONE_PART = ("split.no", "split.count", "split.tensors.count", "general.alignment")
_ABSENT = object()


def gguf_models(folder: Path) -> list[Path]:
    """The models in a folder: its GGUF files without further parts and multimodal projectors.

    The first part stands for a model in parts; without it, the first that is there.
    """
    files = sorted(path for path in folder.iterdir() if _is_gguf(path))
    models: dict[str, Path] = {}
    for path in files:
        part = _PART.fullmatch(path.name)
        models.setdefault(f"{part['model']}-of-{part['count']}" if part else path.name, path)
    return [path for path in models.values() if not _is_projector(path)]


def model_name(path: Path) -> str:
    """The file's name without ending and part number."""
    part = _PART.fullmatch(path.name)
    return part["model"] if part else path.stem


def read_parts(path: Path) -> GgufFile:
    """Reads the headers of a model, of which `path` is the file or the first part.

    Raises `ModelFileInvalid`, `ModelPartMissing`, `TensorAmbiguous`.
    """
    first = read_gguf(path)
    split = ConfigFields(first.metadata, str(path), prefix="split.")
    count = split.integer("count", 1, minimum=0, maximum=_MAX_PARTS)
    if count <= 1:
        return first
    number = split.integer("no", minimum=0, maximum=_MAX_PARTS)
    paths = _part_paths(path, number, count)
    if number > 0:
        _require_part(paths, 0)
        raise ModelFileInvalid(
            str(path), f"it is part {number + 1} of {count}; name the first, {paths[0].name}"
        )
    parts = [first, *(_read_part(paths, index, first) for index in range(1, count))]
    tensors = TensorStore(tensor for part in parts for tensor in part.tensors)
    expected = split.integer("tensors.count", minimum=0)
    if len(tensors) != expected:
        raise ModelFileInvalid(
            str(path),
            f"split.tensors.count is {expected}, but its {count} parts have {len(tensors)} tensors",
        )
    return replace(first, tensors=tensors, parts=tuple(paths))


def _is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ".gguf" and path.is_file()


def _is_projector(path: Path) -> bool:
    """Whether the file is the image or audio encoder beside a language model."""
    try:
        metadata = read_gguf(path).metadata
    except ModelError:
        return False
    return metadata.get("general.type") == "mmproj" or metadata.get("general.architecture") == (
        "clip"
    )


def _part_paths(path: Path, number: int, count: int) -> list[Path]:
    """The files of all parts, checked against the name of this one."""
    name = _PART.fullmatch(path.name)
    if name is None or (int(name["number"]), int(name["count"])) != (number + 1, count):
        stem = model_name(path)
        raise ModelFileInvalid(
            str(path),
            f"it is part {number + 1} of {count} (split.no is {number}, split.count {count}), so "
            f"its name must be {stem}-{number + 1:05}-of-{count:05}.gguf",
        )
    ending = path.suffix
    return [
        path.with_name(f"{name['model']}-{index + 1:05}-of-{count:05}{ending}")
        for index in range(count)
    ]


def _read_part(paths: Sequence[Path], index: int, first: GgufFile) -> GgufFile:
    path, count = paths[index], len(paths)
    _require_part(paths, index)
    part = read_gguf(path)
    split = ConfigFields(part.metadata, str(path), prefix="split.")
    for key, expected in (("no", index), ("count", count)):
        if split.integer(key, minimum=0) != expected:
            raise ModelFileInvalid(
                str(path), f"split.{key} is {split.raw(key)}, but it is part {index + 1} of {count}"
            )
    for key, value in part.metadata.items():
        if key not in _KEYS_OF_ONE_PART and not _same(first.metadata.get(key, _ABSENT), value):
            raise ModelFileInvalid(
                str(path), f"{key} is {value!r:.60}, which the first part does not say"
            )
    return part


def _require_part(paths: Sequence[Path], index: int) -> None:
    if not paths[index].is_file():
        raise ModelPartMissing(str(paths[index]), index + 1, len(paths))


def _same(first: Any, other: Any) -> bool:
    return type(first) is type(other) and bool(first == other)

# SPDX-License-Identifier: Apache-2.0
"""Models whose GGUF is split into parts, and folders with more than one file.

given the first part, or a folder with all parts, with a projector beside, or named in capitals
    it should be the same model as in one file, with the same digests
given a part that is missing, of another model, out of order, or a wrong number of tensors
    opening should name the part and what is wrong
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch

from shard_runtime import open_model
from shard_runtime.errors import (
    ModelFileInvalid,
    ModelNotFound,
    ModelPartMissing,
    TensorAmbiguous,
)
from shard_runtime.model_files.digests import build_manifest
from tests.shard_runtime.model_files.gguf.test_llama_cpp_logits import logits_of
from tests.shard_runtime.model_files.gguf.tiny_gguf import (
    Case,
    Numbers,
    add_key,
    keys_of,
    tensors_of,
    write_case,
)

LLAMA = Case("llama", tensors={"rope_freqs.weight": (4,)})
COUNT = 3
SPLIT_KEYS = ("split.no", "split.count", "split.tensors.count")
U16 = gguf.GGUFValueType.UINT16


def write_part(
    path: Path, tensors: dict[str, Numbers], number: int, total: int, **changes: Any
) -> None:
    """As llama-gguf-split does: the metadata in the first part only."""
    writer = gguf.GGUFWriter(path, "llama")
    split = {"split.no": number, "split.count": COUNT, "split.tensors.count": total}
    keys = {key: value for key, value in keys_of(LLAMA).items() if number == 0}
    for key, value in (keys | split | changes).items():
        if value is None:
            continue
        if key == "split.tensors.count":
            writer.add_key_value(key, value, gguf.GGUFValueType.INT32)
        elif key in SPLIT_KEYS:
            writer.add_key_value(key, value, U16)
        elif key != "general.architecture":
            add_key(writer, key, value)
    for name, numbers in tensors.items():
        writer.add_tensor(name, numbers)
    if number:
        del writer.kv_data[0]["general.architecture"]
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def part(folder: Path, number: int, ending: str = "gguf") -> Path:
    return folder / f"model-{number:05}-of-{COUNT:05}.{ending}"


def write_parts(folder: Path, **changes: dict[str, Any]) -> list[Path]:
    """A model in three parts. changes: keys of the parts `first`, `second` or `third`."""
    folder.mkdir(exist_ok=True)
    tensors = list(tensors_of(LLAMA).items())
    bounds = [0, 5, len(tensors) - 4, len(tensors)]
    paths = [part(folder, number) for number in range(1, COUNT + 1)]
    for number, name in enumerate(("first", "second", "third")):
        some = dict(tensors[bounds[number] : bounds[number + 1]])
        write_part(paths[number], some, number, len(tensors), **changes.get(name, {}))
    return paths


def test_open__first_part_or_folder__is_the_model_in_one_file(tmp_path: Path) -> None:
    whole = open_model(write_case(LLAMA, tmp_path / "model.gguf"))
    paths = write_parts(tmp_path / "parts")
    for path in (paths[0], tmp_path / "parts"):
        source = open_model(path)
        assert (source.name, source.gguf_files) == ("model", tuple(paths))
        assert source.architecture == whole.architecture
        assert build_manifest(source) == build_manifest(whole)
        assert torch.equal(logits_of(path), logits_of(tmp_path / "model.gguf"))


@pytest.mark.parametrize("ending", ["GGUF", "Gguf"])
def test_open__ending_in_capitals__is_a_gguf(ending: str, tmp_path: Path) -> None:
    write_case(LLAMA, tmp_path / f"model.{ending}")
    assert open_model(tmp_path).gguf == tmp_path / f"model.{ending}"
    folder = tmp_path / "parts"
    for path in write_parts(folder):
        path.rename(path.with_suffix(f".{ending}"))
    assert open_model(folder).gguf_files == tuple(part(folder, at, ending) for at in (1, 2, 3))


@pytest.mark.parametrize(
    "keys",
    [{"general.architecture": "clip"}, {"general.architecture": "clip", "general.type": "mmproj"}],
    ids=str,
)
@pytest.mark.parametrize("name", ["mmproj-model-f16.gguf", "a.gguf", "model-mmproj.GGUF"])
def test_open__projector_beside_the_model__is_left_alone(
    name: str, keys: dict[str, str], tmp_path: Path
) -> None:
    write_projector(tmp_path / name, keys)
    for file in write_parts(tmp_path):
        assert file.is_file()
    assert open_model(tmp_path).gguf == part(tmp_path, 1)


def write_projector(path: Path, keys: dict[str, str]) -> None:
    writer = gguf.GGUFWriter(path, keys["general.architecture"])
    if "general.type" in keys:
        writer.add_type(keys["general.type"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def test_open__only_a_projector__is_no_model(tmp_path: Path) -> None:
    write_projector(tmp_path / "mmproj.gguf", {"general.architecture": "clip"})
    with pytest.raises(ModelNotFound, match=r"and 0 \*\.gguf"):
        open_model(tmp_path)


def test_open__two_models__are_named(tmp_path: Path) -> None:
    write_parts(tmp_path)
    write_case(LLAMA, tmp_path / "model.gguf")
    shutil.copy(part(tmp_path, 1), tmp_path / "model-00001-of-00005.gguf")
    with pytest.raises(ModelNotFound, match=r"and 3 \*\.gguf: .*of-00003.gguf, .*of-00005.gguf"):
        open_model(tmp_path)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_open__part_missing__is_named(number: int, tmp_path: Path) -> None:
    write_parts(tmp_path)[number - 1].unlink()
    with pytest.raises(ModelPartMissing) as raised:
        open_model(tmp_path)
    assert raised.value.file == str(part(tmp_path, number))
    assert (raised.value.number, raised.value.count) == (number, COUNT)


@pytest.mark.parametrize("number", [2, 3])
def test_open__another_part_than_the_first__names_the_first(number: int, tmp_path: Path) -> None:
    write_parts(tmp_path)
    rule = f"part {number} of 3; name the first, model-00001-of-00003.gguf"
    with pytest.raises(ModelFileInvalid, match=rule):
        open_model(part(tmp_path, number))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"second": {"split.no": 2}}, "split.no is 2, but it is part 2 of 3"),
        ({"third": {"split.count": 4}}, "split.count is 4, but it is part 3 of 3"),
        ({"second": {"split.no": None}}, "split.no is missing"),
        ({"first": {"split.no": None}}, "split.no is missing"),
        ({"first": {"split.count": 4}}, r"its name must be model-00001-of-00004\.gguf"),
        ({"first": {"split.no": 1}}, r"its name must be model-00002-of-00003\.gguf"),
        ({"first": {"split.tensors.count": 7}}, "split.tensors.count is 7, but its 3 parts have"),
        ({"first": {"split.tensors.count": None}}, "split.tensors.count is missing"),
        ({"second": {"llama.context_length": 128}}, "llama.context_length is 128, which the first"),
        ({"third": {"llama.rope.freq_base": 1.0}}, "llama.rope.freq_base is 1.0, which the first"),
        ({"third": {"general.name": "other"}}, "general.name is 'other', which the first"),
    ],
    ids=str,
)
def test_open__parts_that_contradict_each_other__says_how(
    changes: dict[str, dict[str, Any]], rule: str, tmp_path: Path
) -> None:
    write_parts(tmp_path, **changes)
    with pytest.raises(ModelFileInvalid, match=rule):
        open_model(part(tmp_path, 1))


def test_open__parts_that_repeat_the_metadata__are_read(tmp_path: Path) -> None:
    keys = {"llama.context_length": 64, "llama.rope.freq_base": 10000.0}
    write_parts(tmp_path, second=keys, third=keys)
    assert open_model(tmp_path).architecture.context_length == 64


def test_open__tensor_in_two_parts__names_both(tmp_path: Path) -> None:
    paths = write_parts(tmp_path)
    tensors = tensors_of(LLAMA)
    write_part(paths[2], {"token_embd.weight": tensors["token_embd.weight"]}, 2, len(tensors))
    with pytest.raises(TensorAmbiguous) as raised:
        open_model(tmp_path)
    assert (raised.value.first, raised.value.second) == (str(paths[0]), str(paths[2]))


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-40], lambda data: data[:100], lambda data: b"x" + data[1:], lambda _: b""],
    ids=["end cut off", "header cut off", "magic", "empty"],
)
def test_open__damaged_part__names_it(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = write_parts(tmp_path)[1]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelFileInvalid, match=r"model-00002-of-00003\.gguf is not valid"):
        open_model(tmp_path)


def test_open__name_of_a_part_without_split_keys__is_one_file(tmp_path: Path) -> None:
    path = write_case(LLAMA, part(tmp_path, 1))
    assert open_model(path).gguf_files == (path,)

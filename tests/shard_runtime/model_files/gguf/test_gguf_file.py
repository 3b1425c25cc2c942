# SPDX-License-Identifier: Apache-2.0
"""Headers of GGUF files: what is read, and what is refused.

given a file of version 2 or 3, of any alignment, with tensors of any type that the format has
    its tensors should be where the header says
given a header that says something twice, or describes bytes that overlap, are not there or leave a
gap, or that is of another version or byte order
    reading should say what is wrong
"""

import struct
from pathlib import Path

import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from shard_runtime.errors import ModelFileInvalid
from shard_runtime.model_files.gguf.gguf_file import read_gguf
from shard_runtime.model_files.tensors.tensor_store import read_pieces
from tests.shard_runtime.model_files.gguf.gguf_bytes import Entry, in_sequence, key, write_bytes
from tests.shard_runtime.model_files.gguf.tiny_gguf import Case, tensors_of, write_case

ARCHITECTURE = key("general.architecture", "llama")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [1, 8, 32, 64, 4096])
def test_read_gguf__any_alignment__finds_the_tensors(
    version: int, alignment: int, tmp_path: Path
) -> None:
    path = write_bytes(
        tmp_path / "model.gguf",
        keys=[ARCHITECTURE, key("general.alignment", alignment)],
        tensors=[Entry("a"), Entry("b", (4, 2), offset=max(32, alignment))],
        data_bytes=max(32, alignment) + 32,
        version=version,
        alignment=alignment,
    )
    tensors = read_gguf(path).tensors
    first, second = tensors.find_tensor("a"), tensors.find_tensor("b")
    assert (second.shape, second.dimensions, second.byte_length) == ((2, 4), (4, 2), 32)
    assert first.offset % alignment == 0
    assert second.offset - first.offset == max(32, alignment)


def test_read_gguf__written_file__has_the_written_bytes(tmp_path: Path) -> None:
    case = Case("mixtral")
    tensors = read_gguf(write_case(case, tmp_path / "model.gguf")).tensors
    written = tensors_of(case)
    assert {tensor.name for tensor in tensors} == set(written)
    for name, numbers in written.items():
        stored = b"".join(bytes(piece) for _, piece in read_pieces(tensors.find_tensor(name)))
        assert np.array_equal(np.frombuffer(stored, np.float32).reshape(numbers.shape), numbers)


@pytest.mark.parametrize("quantization", list(GGMLQuantizationType))
def test_read_gguf__every_type__has_its_block_size(
    quantization: GGMLQuantizationType, tmp_path: Path
) -> None:
    block, block_bytes = GGML_QUANT_SIZES[quantization]
    tensor = Entry("a", (2 * block, 3), kind=quantization.value)
    path = write_bytes(tmp_path / "model.gguf", tensors=[tensor], data_bytes=6 * block_bytes)
    found = read_gguf(path).tensors.find_tensor("a")
    assert (found.dtype, found.byte_length) == (quantization.name, 6 * block_bytes)


@pytest.mark.parametrize(
    ("tensors", "rule"),
    [
        ([Entry(kind=99)], "a is of unknown type 99"),
        ([Entry(kind=4)], "a is of unknown type 4"),  # Q4_2, removed from the format
        ([Entry(kind=31)], "a is of unknown type 31"),  # Q4_0_4_4, removed
        ([Entry(kind=2**32 - 1)], "a is of unknown type 4294967295"),
        ([Entry(dimensions=(0,))], r"a has the dimensions \(0,\); each must be at least 1"),
        ([Entry(dimensions=(8, 0))], r"a has the dimensions \(8, 0\)"),
        ([Entry(dimensions=())], "a has 0 dimensions"),
        ([Entry(dimensions=(1, 1, 1, 1, 1))], "a has 5 dimensions"),
        ([Entry(dimensions=(40,), kind=8)], "of a, 40 long, are not whole blocks of 32 Q8_0"),
        ([Entry(dimensions=(2**62, 2**62))], "a reaches beyond the end of the file"),
        ([Entry(dimensions=(17,))], "a reaches beyond the end of the file, to byte 1.. of 1.."),
        ([Entry(offset=2**63)], "the bytes of a begin at 9223372036854775808, not where"),
        ([Entry(offset=32)], "the bytes of a begin at 32, not .*, at 0"),
        ([Entry("a"), Entry("b")], "the bytes of b begin at 0, not .*, at 32"),
        ([Entry("a"), Entry("b", offset=16)], "the bytes of b begin at 16, not .*, at 32"),
        ([Entry("a"), Entry("b", offset=33)], "the bytes of b begin at 33, not .*, at 32"),
        ([Entry("b", offset=32), Entry("a")], "the bytes of b begin at 32, not .*, at 0"),
        (in_sequence(Entry("a"), Entry("a")), "the tensor a occurs twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_read_gguf__tensors_that_cannot_be__says_why(
    tensors: list[Entry], rule: str, tmp_path: Path
) -> None:
    path = write_bytes(tmp_path / "model.gguf", tensors=tensors)
    with pytest.raises(ModelFileInvalid, match=rule):
        read_gguf(path)


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ([ARCHITECTURE, ARCHITECTURE], "the key general.architecture occurs twice"),
        ([key("x", 1), key("x", 2)], "the key x occurs twice"),
        ([key("general.alignment", 0)], "general.alignment is 0, not a power of two"),
        ([key("general.alignment", 24)], "general.alignment is 24, not a power of two"),
        ([key("general.alignment", "32")], "general.alignment is '32', not a power of two"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_read_gguf__keys_that_cannot_be__says_why(
    keys: list[bytes], rule: str, tmp_path: Path
) -> None:
    path = write_bytes(tmp_path / "model.gguf", keys=keys)
    with pytest.raises(ModelFileInvalid, match=rule):
        read_gguf(path)


@pytest.mark.parametrize(
    ("start", "rule"),
    [
        (b"", "does not begin with GGUF"),
        (b"GGML", "does not begin with GGUF but with b'GGML'"),
        (b"FUGG", "does not begin with GGUF"),
        (b"GGUF" + struct.pack("<I", 1), "its version is 1; versions 2 and 3 are supported"),
        (b"GGUF" + struct.pack("<I", 4), "its version is 4"),
        (b"GGUF" + struct.pack("<I", 0), "its version is 0"),
        (b"GGUF" + struct.pack(">I", 3), "it is big-endian; only little-endian"),
        (b"GGUF" + struct.pack(">I", 2), "it is big-endian"),
        (b"GGUF" + struct.pack("<I", 3), "truncated"),
    ],
    ids=str,
)
def test_read_gguf__other_start__says_why(start: bytes, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    rest = b"" if rule == "truncated" else bytes(16 if len(start) == 8 else 0)
    path.write_bytes(start + rest)
    with pytest.raises(ModelFileInvalid, match=rule):
        read_gguf(path)

# SPDX-License-Identifier: Apache-2.0
"""Building the native library.

given a machine without a C++ compiler
    when the library is built
        it should say so, build nothing, and succeed
given x86-64 with a compiler
    when the library is built
        it should contain every instruction set, also those that this CPU lacks
given the Python package
    it should contain the C++ sources
given the constants of layout.h
    layout.py should repeat them
"""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from shard_runtime.backends.native import NativeMatrix, Precision, layout
from shard_runtime.backends.native.shared_library import Library
from tests.shard_runtime.backends.native.conftest import NAMES, ROOT

SCRIPT = ROOT / "toolchain/build-native.sh"


def test_build__no_compiler__says_so_and_builds_nothing(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or "")
    library = tmp_path / "built/library.so"
    environment = {key: value for key, value in os.environ.items() if key != "CXX"}
    done = subprocess.run(
        [SCRIPT, library],
        env=environment | {"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "No C++ compiler" in done.stderr
    assert not library.parent.exists()


def test_library__on_x86__contains_every_instruction_set(native_library: Library) -> None:
    if platform.machine() not in {"x86_64", "AMD64"}:
        pytest.skip("other machines have only the portable kernels")
    calls = native_library.calls
    assert isinstance(calls, ctypes.CDLL)
    assert tuple(calls.teetee_instructions(index).decode() for index in range(3)) == NAMES
    assert calls.teetee_instructions(3) is None
    assert native_library.instructions()[0] == "portable"


def test_package__native_sources__are_included() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["shard_runtime.backends.native"]
    package = ROOT / "shard_runtime/backends/native"
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    assert packed == {file for file in (package / "source").rglob("*") if file.is_file()}


def test_layout__in_python__repeats_the_header() -> None:
    header = (ROOT / "shard_runtime/backends/native/source/layout.h").read_text(encoding="utf-8")
    in_header: dict[str, int] = {}
    for name, value in re.findall(
        r"^constexpr int(?:64_t)? (k\w+) = ([^;]+);", header, re.MULTILINE
    ):
        in_header[name] = eval(value, {}, in_header)
    in_python = {
        "kLanes": layout.LANES,
        "kPositions": layout.POSITIONS,
        "kPanel": layout.PANEL,
        "kGroup": layout.INT8_GROUP,
        "kScaleBytes": layout.INT8_SCALE_BYTES,
        "kBlockBytes": layout.PANEL * layout.INT8_GROUP_BYTES,
    }
    assert {name: in_header[name] for name in in_python} == in_python


@pytest.mark.usefixtures("native_library")
def test_matrix__of_one_int8_block__has_the_size_that_layout_says() -> None:
    matrix = NativeMatrix(layout.PANEL, layout.INT8_GROUP, precision=Precision.INT8)
    assert matrix.size_bytes == layout.PANEL * layout.INT8_GROUP_BYTES

# SPDX-License-Identifier: Apache-2.0
"""The library, built where there is a compiler; each instruction set that this CPU runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from shard_runtime.backends.native import NativeUnavailable, load_library
from shard_runtime.backends.native.shared_library import BUILT, LIBRARY_SETTING, Library

ROOT = Path(__file__).parents[4]
COMPILERS = ("g++", "c++", "clang++")
NAMES = ("portable", "avx2", "avx512")


def has_compiler() -> bool:
    return bool(os.environ.get("CXX")) or any(map(shutil.which, COMPILERS))


@pytest.fixture(scope="session", autouse=True)
def native_library() -> Library:
    """Where there is a compiler, these tests run or fail; they are not skipped."""
    if has_compiler() and not os.environ.get(LIBRARY_SETTING) and not BUILT.is_file():
        subprocess.run([ROOT / "toolchain/build-native.sh", BUILT], check=True)
    try:
        return load_library()
    except NativeUnavailable:
        if has_compiler():
            raise
        pytest.skip("no compiler on this machine, and no library")


@pytest.fixture(params=NAMES)
def instructions(request: pytest.FixtureRequest, native_library: Library) -> str:
    name: str = request.param
    if name not in native_library.instructions():
        pytest.skip(f"this CPU does not run {name}")
    return name

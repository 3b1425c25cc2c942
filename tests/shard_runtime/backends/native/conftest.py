# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the native library, and each instruction set that this CPU supports."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from shard_runtime.backends.native import NativeUnavailable, load_library
from shard_runtime.backends.native.shared_library import BUILT, Library

ROOT = Path(__file__).parents[4]
COMPILERS = ("g++", "c++", "clang++")
NAMES = ("portable", "avx2", "avx512")


def has_compiler() -> bool:
    return bool(os.environ.get("CXX")) or any(map(shutil.which, COMPILERS))


@pytest.fixture(scope="session", autouse=True)
def native_library() -> Library:
    """Skips the tests only on a machine without a compiler and without the library."""
    if has_compiler() and not BUILT.is_file():
        subprocess.run([ROOT / "toolchain/build-native.sh", BUILT], check=True)
    try:
        return load_library()
    except NativeUnavailable:
        if has_compiler():
            raise
        pytest.skip("no C++ compiler and no native library")


@pytest.fixture(params=NAMES)
def instructions(request: pytest.FixtureRequest, native_library: Library) -> str:
    name: str = request.param
    if name not in native_library.instructions():
        pytest.skip(f"this CPU does not support {name}")
    return name

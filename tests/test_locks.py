# SPDX-License-Identifier: Apache-2.0
"""Promises about the lock files.

given requirements/*.txt and package-lock.json
    it should be an exact version and a hash for every package
    it should be no registry's address: each user's own settings choose where packages come from
given what an enclave installs
    it should be the very versions which the tests have run with
    it should not be ape, nor what only tests need
    it should be what signs in constant time, not eth-keys' arithmetic in Python
"""

import json
import re
import sys
from pathlib import Path

import pytest
from eth_keys import keys
from eth_keys.backends import CoinCurveECCBackend

ROOT = Path(__file__).parent.parent
LOCKS = ("runtime", "test", "ape")

# "name==1.2 ; marker \" and then only indented hashes
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)(?: ; .+?)? \\\n(?P<hashes>(?: .+\n)+)"
)


def text_of(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text()


def entries_of(lock: str) -> set[tuple[str, str]]:
    lines = re.split(r"^(?=[a-z0-9])", text_of(lock), flags=re.MULTILINE)[1:]
    found = [ENTRY.match(line) for line in lines]
    without_hash = [line for line, entry in zip(lines, found, strict=True) if entry is None]
    assert not without_hash, f"no exact version or no hash: {without_hash}"
    return {(entry["name"], entry["version"]) for entry in found if entry}


@pytest.mark.parametrize("lock", LOCKS)
def test_python_lock__every_package__is_exact_and_hashed(lock: str) -> None:
    assert len(entries_of(lock)) > 50
    assert text_of(lock).count("--hash=sha256:") > 50


@pytest.mark.parametrize("lock", LOCKS)
def test_python_lock__every_line__names_no_registry(lock: str) -> None:
    assert not re.search(r"https?:|file:|--(index|extra|find)", text_of(lock))


def test_node_lock__every_package__is_hashed_and_names_no_registry() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    installed = {path: package for path, package in packages.items() if path}
    assert all(package.get("integrity") for package in installed.values())
    assert not any("resolved" in package for package in installed.values())


def test_enclave_lock__every_version__is_what_the_tests_run_with() -> None:
    assert entries_of("runtime") <= entries_of("test")


def test_enclave_lock__every_package__is_needed_there() -> None:
    names = {name for name, _ in entries_of("runtime")}
    assert not names & {
        "eth-ape",
        "pytest",
        "hypothesis",
        "atheris",
        "transformers",
        "mypy",
        "ruff",
    }


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="coincurve has no build for it yet")
def test_enclave_lock__signing__is_done_by_libsecp256k1() -> None:
    assert "coincurve" in {name for name, _ in entries_of("runtime")}
    assert isinstance(keys.backend, CoinCurveECCBackend)

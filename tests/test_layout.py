# SPDX-License-Identifier: Apache-2.0
"""Promises about the source itself.

given any Python module, at its top, inside a function, or by importlib
    when it imports
        it should not reach against the arrows: oracle → shard_runtime → teetee
        it should not bring ape or the scripts into what runs inside an enclave
given shard_runtime
    when everything that its imports pull in is followed
        it should not come to web3
given any Python or Solidity file
    it should be named after what it holds, and stay under 500 lines
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

SCRIPTS_AND_TESTS = {"scripts", "tests", "demo", "benchmarks"}

# package → what it must never import
FORBIDDEN = {
    "teetee": {"shard_runtime", "oracle", "tee_simulator", "ape", *SCRIPTS_AND_TESTS},
    "shard_runtime": {"oracle", "tee_simulator", "web3", "ape", *SCRIPTS_AND_TESTS},
    "oracle": {"tee_simulator", "ape", *SCRIPTS_AND_TESTS},
    "tee_simulator": {"teetee", "shard_runtime", "oracle", "web3", "ape", *SCRIPTS_AND_TESTS},
    "demo": {"ape", "scripts", "tests"},
    "benchmarks": {"ape", "scripts", "tests"},
    "tests": {"scripts"},
}

SAYS_NOTHING = {"util", "utils", "helper", "helpers", "common", "misc", "shared", "base", "manager"}

LONGEST_FILE = 500


def modules_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _names_imported_by(node: ast.AST, importer: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = [node.module] if node.module else []
        if node.level:
            folder = importer.relative_to(ROOT).parts[: -node.level]
            origin = [*folder, *origin]
        yield ".".join(origin)
        # `from teetee import chain` imports teetee.chain, where chain is a module
        yield from (".".join([*origin, alias.name]) for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
            yield node.args[0].value


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Every dotted name a module imports, however deep inside a function the import stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return frozenset(name for node in ast.walk(tree) for name in _names_imported_by(node, path))


def top_levels(names: frozenset[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def source_files() -> list[Path]:
    folders = [*FORBIDDEN, "scripts", "contracts"]
    found = [file for folder in folders for file in (ROOT / folder).rglob("*")]
    return sorted(
        file
        for file in found
        if file.suffix in {".py", ".sol"}
        and "vendor" not in file.parts  # vendored code stays verbatim
    )


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports__every_module__follow_the_arrows(package: str) -> None:
    against = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules_of(package)
        for name in top_levels(imports_of(path)) & FORBIDDEN[package]
    }
    assert not against


def test_imports__simulator__needs_only_cryptography_and_the_standard_library() -> None:
    allowed = {"tee_simulator", "cryptography", *sys.stdlib_module_names}
    others = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules_of("tee_simulator")
        for name in top_levels(imports_of(path)) - allowed
    }
    assert not others


def test_imports__shard_runtime_with_all_it_pulls_in__never_come_to_web3() -> None:
    """A package's `__init__` runs before its modules do, so it is followed as well."""
    ours = {
        dotted_name(path): path
        for package in ("shard_runtime", "teetee")
        for path in modules_of(package)
    }
    waiting = [name for name in ours if name.split(".")[0] == "shard_runtime"]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in reached or name not in ours:
            continue
        reached.add(name)
        names = imports_of(ours[name])
        assert "web3" not in top_levels(names), (
            f"{name} imports web3 and shard_runtime imports {name}"
        )
        parts = (imported.split(".") for imported in names)
        waiting += [".".join(each[:length]) for each in parts for length in range(1, len(each) + 1)]


def test_names__every_file_and_folder__say_what_is_inside() -> None:
    empty = {
        str(file.relative_to(ROOT))
        for file in source_files()
        for word in file.relative_to(ROOT).with_suffix("").parts
        if word.lower().strip("_") in SAYS_NOTHING
    }
    assert not empty


def test_length__every_file__is_short_enough_to_be_one_idea() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in source_files()
    }
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}

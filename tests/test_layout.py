# SPDX-License-Identifier: Apache-2.0
"""Promises about the source itself.

given any Python module, at its top, inside a function, or by importlib
    when it imports
        it should not reach against the arrows: oracle → shard_runtime → teetee
        it should not bring ape or the scripts into what runs inside an enclave
        it should not reach from a lower layer of its package to a higher one
        it should not close a circle
given shard_runtime
    when everything that its imports pull in is followed
        it should not reach web3
given oracle.inference
    it should know neither an envelope nor the escrow
given any module that runs in an enclave or a wallet
    it should parse JSON only by teetee.protocol.json, which bounds its depth
given any Python or Solidity file
    it should be named after its content, carry its licence and stay under 450 lines
given any function
    it should stay within 40 lines
given any folder
    it should hold 15 files at most
given any text
    it should not use a word that docs/decisions/016-retired-words.md retired
"""

import ast
import re
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.source_tree import (
    ROOT,
    dotted_name,
    imports_of,
    module_graph,
    modules_of,
    relative,
    syntax_tree,
    tracked_files,
)

ON_TOP = {"scripts", "administration", "tests", "demo", "benchmarks"}

# package → what it must never import
FORBIDDEN = {
    "teetee": {"shard_runtime", "shard_tools", "oracle", "tee_simulator", "ape", *ON_TOP},
    "shard_runtime": {"shard_tools", "oracle", "tee_simulator", "web3", "ape", *ON_TOP},
    "shard_tools": {"oracle", "tee_simulator", "web3", "ape", *ON_TOP},
    "oracle": {"shard_tools", "tee_simulator", "ape", *ON_TOP},
    "tee_simulator": {"teetee", "shard_runtime", "shard_tools", "oracle", "web3", "ape", *ON_TOP},
    "administration": {"shard_runtime", "shard_tools", "oracle", "scripts", "tests", "demo"},
    "demo": {"ape", "scripts", "administration", "tests"},
    "benchmarks": {"ape", "scripts", "administration", "tests"},
    "tests": {"scripts"},
}

# From the top down: a module imports from its own line and from those below it, never from above.
# The longest name that fits a module says which line it is on.
LAYERS = {
    "teetee": (
        ("cli.app", "cli"),
        ("cli.commands",),
        ("cli.session", "cli.network", "cli.options"),
        ("cli.output",),
        ("quote_comparison", "client.client"),
        ("client.requests", "client.hosting"),
        ("client.verification",),
        ("client",),
        ("collateral",),
        ("chain.contracts",),
        ("chain.transactions",),
        ("chain", "chain.types"),
        ("quotes", "enclave"),
        ("protocol",),
        ("protocol.json",),
        ("errors", "abi", "standard_streams"),
    ),
    "shard_runtime": (
        ("__init__",),
        ("engine.entry", "engine.stage"),
        ("engine",),
        ("backends.loading",),
        ("backends.torch", "backends.native"),
        ("backends",),
        ("model_files", "links"),
        ("model_files.gguf", "model_files.tokenizer"),
        ("model_files.chat_template",),
        ("model_files.config",),
        ("model_files.tensors",),
        ("architecture",),
        ("errors",),
        ("abort_reason", "model_errors"),
    ),
    "oracle": (
        ("__main__",),
        ("process",),
        ("operations",),
        ("endpoints", "request"),
        ("inference",),
        ("chain",),
        ("records", "isolation"),
        ("errors",),
    ),
}

# They must not know each other, though one line holds them.
APART = (
    ("shard_runtime.engine.entry", "shard_runtime.engine.stage"),
    ("shard_runtime.backends.torch", "shard_runtime.backends.native"),
    ("shard_runtime.links", "shard_runtime.model_files"),
    ("teetee.client.requests", "teetee.client.hosting"),
    ("oracle.endpoints", "oracle.request"),
)

INFERENCE_KNOWS_NOT = {
    "teetee.protocol.envelope",
    "teetee.chain.contracts.escrow",
    "teetee.chain.types.requests",
    "oracle.request",
    "oracle.records",
}

SAYS_NOTHING = {"util", "utils", "helper", "helpers", "common", "misc", "shared", "base", "manager"}

# Only this folder calls Python's parser of JSON, which crashes on deeply nested text.
JSON_PARSERS = "teetee/protocol/json/"
PARSES_JSON_BOUNDED = ("teetee", "shard_runtime", "shard_tools", "oracle", "administration")

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 40
MAX_FILES_PER_FOLDER = 15

# Folders that grow by their nature: a file per test subject, per decision, per tool's settings.
MAY_GROW = re.compile(r"^(\.|tests(/.*)?|docs/decisions)$")

RETIRED = ROOT / "docs" / "decisions" / "016-retired-words.md"
EXEMPT = re.compile(
    r"^(CHANGELOG\.md|docs/decisions/.*|requirements/.*|package-lock\.json|.*\.(svg|jsonl)|tests/vectors/.*|tests/fuzzing/corpus/.*|.*/data/.*|LICENSE)$"
)


def top_levels(names: frozenset[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def source_files(*suffixes: str) -> list[Path]:
    return [path for path in tracked_files() if path.suffix in suffixes]


def layer_of(package: str, module: str) -> int:
    """The line of LAYERS that a module is on, counted from the top."""
    name = module.removeprefix(package).removeprefix(".") or "__init__"
    fitting = [
        (len(part), line)
        for line, parts in enumerate(LAYERS[package])
        for part in parts
        if name == part or name.startswith(part + ".")
    ]
    if not fitting:
        assert name == "__init__", f"{module} is on no line of LAYERS"
        return 0
    return max(fitting)[1]


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports__every_module__follow_the_arrows(package: str) -> None:
    against = {
        f"{relative(path)} imports {name}"
        for path in modules_of(package)
        for name in top_levels(imports_of(path)) & FORBIDDEN[package]
    }
    assert not against


@pytest.mark.parametrize("package", LAYERS)
def test_imports__inside_a_package__never_reach_upwards(package: str) -> None:
    upwards = {
        f"{module} imports {target}"
        for module, targets in module_graph(package).items()
        for target in targets
        if layer_of(package, target) < layer_of(package, module)
    }
    assert not upwards


@pytest.mark.parametrize("package", [*FORBIDDEN, "scripts"])
def test_imports__inside_a_package__form_no_circle(package: str) -> None:
    try:
        TopologicalSorter(module_graph(package)).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize("pair", APART, ids=" and ".join)
def test_imports__of_neighbours__leave_each_other_alone(pair: tuple[str, str]) -> None:
    crossing = {
        f"{module} imports {target}"
        for here, there in (pair, pair[::-1])
        for module, targets in module_graph(here.split(".")[0]).items()
        for target in targets
        if is_within(module, here) and is_within(target, there)
    }
    assert not crossing


def test_imports__inference__know_neither_envelope_nor_escrow() -> None:
    known = {
        f"{relative(path)} imports {name}"
        for path in modules_of("oracle/inference")
        for name in imports_of(path)
        for secret in INFERENCE_KNOWS_NOT
        if is_within(name, secret)
    }
    assert not known


def test_imports__simulator__needs_only_cryptography_and_the_standard_library() -> None:
    allowed = {"tee_simulator", "cryptography", *sys.stdlib_module_names}
    others = {
        f"{relative(path)} imports {name}"
        for path in modules_of("tee_simulator")
        for name in top_levels(imports_of(path)) - allowed
    }
    assert not others


def test_imports__shard_runtime_with_all_it_pulls_in__never_reach_web3() -> None:
    """A package's `__init__` runs before its modules do, so it is followed as well."""
    own = {
        dotted_name(path): path
        for package in ("shard_runtime", "teetee")
        for path in modules_of(package)
    }
    waiting = [name for name in own if name.split(".")[0] == "shard_runtime"]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in reached or name not in own:
            continue
        reached.add(name)
        names = imports_of(own[name])
        assert "web3" not in top_levels(names), (
            f"{name} imports web3 and shard_runtime imports {name}"
        )
        parts = (imported.split(".") for imported in names)
        waiting += [".".join(each[:length]) for each in parts for length in range(1, len(each) + 1)]


def _json_calls(path: Path) -> set[int]:
    """Lines that parse JSON without a bound: by json.load(s), a JSONDecoder or response.json()."""
    lines = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "json":
            lines.add(node.lineno)
        if isinstance(node, ast.Attribute) and node.attr in {"JSONDecoder", "raw_decode"}:
            lines.add(node.lineno)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner, name = ast.unparse(node.func.value), node.func.attr
        reads_response = name == "json" and not node.args
        if reads_response or (owner == "json" and name in {"load", "loads"}):
            lines.add(node.lineno)
    return lines


@pytest.mark.parametrize("package", PARSES_JSON_BOUNDED)
def test_json__every_product_module__parses_it_with_a_bound_on_its_depth(package: str) -> None:
    unbounded = {
        f"{relative(path)}:{line}"
        for path in modules_of(package)
        if not relative(path).startswith(JSON_PARSERS)
        for line in _json_calls(path)
    }
    assert not unbounded


def test_names__every_file_and_folder__say_what_is_inside() -> None:
    empty = {
        relative(file)
        for file in source_files(".py", ".sol", ".h", ".cpp")
        for word in file.relative_to(ROOT).with_suffix("").parts
        if word.lower().strip("_") in SAYS_NOTHING
    }
    assert not empty


def test_licence__every_source_file__names_it_in_its_first_lines() -> None:
    silent = {
        relative(file)
        for file in source_files(".py", ".sol", ".h", ".cpp", ".sh")
        if "SPDX-License-Identifier: Apache-2.0" not in file.read_text(encoding="utf-8")[:200]
    }
    assert not silent


def test_length__every_file__is_short_enough_to_be_one_idea() -> None:
    lengths = {
        relative(file): len(file.read_text(encoding="utf-8").splitlines())
        for file in source_files(".py", ".sol", ".h", ".cpp")
    }
    assert not {name: length for name, length in lengths.items() if length > MAX_FILE_LINES}


def test_length__every_function__fits_a_screen() -> None:
    too_long = {
        f"{relative(path)}:{node.lineno} {node.name}": length
        for path in source_files(".py")
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := _lines_of(node)) > MAX_FUNCTION_LINES
    }
    assert not too_long


def _lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Of a command, whose signature lists its options, the body alone."""
    decorators = " ".join(ast.unparse(each) for each in function.decorator_list)
    is_command = "command" in decorators or "option" in decorators
    first = function.body[0].lineno if is_command else function.lineno
    assert function.end_lineno is not None
    return function.end_lineno - first + 1


def test_folders__every_one__holds_few_enough_files_to_be_seen_at_once() -> None:
    counts = Counter(relative(path.parent) for path in tracked_files())
    crowded = {
        folder: count
        for folder, count in counts.items()
        if count > MAX_FILES_PER_FOLDER and not MAY_GROW.match(folder)
    }
    assert not crowded


def _retired(heading: str) -> list[str]:
    section = RETIRED.read_text(encoding="utf-8").split(f"## {heading}")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [word for row in rows for word in re.findall(r"`(\w+)`", row)]


def test_words__any_text__uses_none_that_was_retired() -> None:
    words = re.compile(rf"\b({'|'.join(_retired('Anywhere'))})\b", re.IGNORECASE)
    found = {
        f"{relative(file)}:{number} {match[0]}"
        for file in tracked_files()
        if not EXEMPT.match(relative(file))
        for number, line in enumerate(_text_of(file).splitlines(), start=1)
        for match in words.finditer(line.replace("_", " "))
    }
    assert not found


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:  # a recorded quote, a certificate
        return ""


def test_words__any_identifier__is_none_that_was_retired() -> None:
    retired = set(_retired("As identifiers"))
    found = {
        f"{relative(path)}:{line} {name}"
        for path in source_files(".py")
        for name, line in _identifiers_of(path)
        if name in retired or name.lstrip("_") in retired
    }
    assert not found


def _identifiers_of(path: Path) -> set[tuple[str, int]]:
    """Names that the file defines: functions, classes, parameters, variables, attributes."""
    names = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add((node.name, node.lineno))
        elif isinstance(node, ast.arg):
            names.add((node.arg, node.lineno))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add((node.id, node.lineno))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add((node.attr, node.lineno))
    return names

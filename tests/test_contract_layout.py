# SPDX-License-Identifier: Apache-2.0
"""What the contracts promise about their own source.

given any contract
    when it imports a file of the project
        it should import only from the layers below its own, and in no circle
given any interface
    it should be alone in its file, in contracts/interfaces, and document every declaration
given any folder, file or function
    it should be short enough to be read at once
given the contracts that hold money or decide who serves
    it should have 50 to 85 comment lines per 100 lines of code
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.source_tree import ROOT, modules_of, relative

CONTRACTS = ROOT / "contracts"
INTERFACES = CONTRACTS / "interfaces"

PARTS = {"attestation", "registry", "escrow"}
TOP = "."

# folder of contracts → the other folders that its files may import from
LAYERS: dict[str, set[str]] = {
    "types": set(),
    "interfaces": {"types"},
    "libraries": {"types", "interfaces"},
    **{part: {"types", "interfaces", "libraries"} for part in PARTS},
    TOP: {"types", "interfaces", "libraries", "registry", "escrow"},
    "deployment": {"interfaces", "libraries"},
    "mocks": {"types", "interfaces"},
}

# folder of contracts/attestation → the other folders of it
ATTESTATION_LAYERS: dict[str, set[str]] = {
    "certificates": set(),
    "collateral": {"certificates"},
    "quote": {"certificates"},
    "automata": {"quote"},
    TOP: {"collateral", "quote"},
}

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 40
MAX_FILES_PER_FOLDER = 15
MAX_VERB_LINES = 15
"""Of the body of an external function of the escrow."""

SPINE = {
    "registry": (
        "ShardRegistry.sol",
        "registry/*.sol",
        "interfaces/IShard*.sol",
        "interfaces/IModel*.sol",
    ),
    "escrow": ("InferenceEscrow.sol", "escrow/*.sol", "interfaces/I*Escrow*.sol"),
    "token": ("UsageToken.sol", "interfaces/IUsageToken.sol"),
}

_IMPORT = re.compile(r'^(?:import|\}) .*?"(\.[^"]+)";', re.MULTILINE)
_DECLARATION = re.compile(r"^ *(function|event|error|struct|enum|interface|type) \w+")
_FUNCTION = re.compile(r"^ *(?:function (\w+)|(constructor)\()")


def files() -> list[Path]:
    return sorted(CONTRACTS.rglob("*.sol"))


def name_of(path: Path) -> str:
    return path.relative_to(CONTRACTS).as_posix()


@cache
def lines_of(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8").splitlines())


@cache
def imports_of(path: Path) -> tuple[Path, ...]:
    found = _IMPORT.findall(path.read_text(encoding="utf-8"))
    return tuple((path.parent / target).resolve() for target in found)


def folder_of(path: Path, below: Path) -> str:
    """The first folder on the way from `below` to the file; TOP: it is in `below` itself."""
    parts = path.relative_to(below).parts
    return parts[0] if len(parts) > 1 else TOP


def against_the_layers(below: Path, layers: dict[str, set[str]]) -> set[str]:
    return {
        f"{name_of(path)} imports {name_of(target)}"
        for path in below.rglob("*.sol")
        for target in imports_of(path)
        if target.is_relative_to(below)
        if folder_of(target, below) != folder_of(path, below)
        if folder_of(target, below) not in layers[folder_of(path, below)]
    }


def functions_of(path: Path) -> Iterator[tuple[str, str, int, int]]:
    """Name, text, and the lines of the whole and of the body, of each function that has one.

    forge fmt puts a function's closing brace into a line of its own, as far in as its start."""
    lines = lines_of(path)
    for start, line in enumerate(lines):
        match = _FUNCTION.match(line)
        if match is None:
            continue
        indent = " " * (len(line) - len(line.lstrip()))
        ends = range(start, len(lines))
        stop = next(i for i in ends if lines[i].endswith((";", "{", "{}")))
        if not lines[stop].endswith("{"):
            continue
        end = next(i for i in ends if lines[i] == indent + "}")
        text = "\n".join(lines[start : end + 1])
        yield match[1] or match[2], text, end - start + 1, end - stop - 1


def comments_and_code(path: Path) -> tuple[int, int]:
    stripped = [line.strip() for line in lines_of(path)]
    written = [line for line in stripped if line]
    comments = sum(line.startswith(("//", "/*", "*")) for line in written)
    return comments, len(written) - comments


def test_imports__every_contract__follow_the_layers() -> None:
    assert not against_the_layers(CONTRACTS, LAYERS)


def test_imports__within_attestation__follow_its_layers() -> None:
    assert not against_the_layers(CONTRACTS / "attestation", ATTESTATION_LAYERS)


def test_imports__every_contract__form_no_circle() -> None:
    open_ends = {path: set(imports_of(path)) for path in files()}
    while leaves := [path for path, targets in open_ends.items() if not targets]:
        for leaf in leaves:
            del open_ends[leaf]
        for targets in open_ends.values():
            targets.difference_update(leaves)
    assert not {name_of(path) for path in open_ends}


def test_imports__every_one__is_found() -> None:
    """Or the tests above would pass by not seeing any."""
    known = set(files())
    targets = {target for path in known for target in imports_of(path)}
    assert targets <= known
    assert known - targets  # what is deployed is imported by no other contract
    assert sum(len(imports_of(path)) for path in known) > len(known)


def test_interfaces__every_one__is_alone_in_a_file_of_their_folder() -> None:
    declared = {
        path: re.findall(r"^interface (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in files()
    }
    for path, names in declared.items():
        expected = [path.stem] if path.is_relative_to(INTERFACES) else []
        assert names == expected, name_of(path)


@pytest.mark.parametrize("folder", ["interfaces", "types"])
def test_interfaces_and_types__every_declaration__is_documented(folder: str) -> None:
    silent = {
        f"{name_of(path)}:{number} {line.strip()}"
        for path in (CONTRACTS / folder).rglob("*.sol")
        for number, (before, line) in enumerate(
            zip(lines_of(path), lines_of(path)[1:], strict=False), start=2
        )
        if _DECLARATION.match(line)
        if not before.strip().startswith("///")
        if not line.startswith("function ")  # an operator of a value type
    }
    assert not silent


def test_length__every_file_and_folder__is_short_enough() -> None:
    assert not {
        name_of(path): len(lines_of(path))
        for path in files()
        if len(lines_of(path)) > MAX_FILE_LINES
    }
    folders = {path.parent for path in files()}
    counts = {relative(folder): len(list(folder.glob("*.sol"))) for folder in folders}
    assert not {name: count for name, count in counts.items() if count > MAX_FILES_PER_FOLDER}


def test_length__every_function__fits_a_screen() -> None:
    found = [
        (f"{name_of(path)}: {name}", length)
        for path in files()
        for name, _, length, _ in functions_of(path)
    ]
    assert len(found) > 200
    assert not [each for each in found if each[1] > MAX_FUNCTION_LINES]


def test_length__every_verb_of_the_escrow__fits_a_paragraph() -> None:
    bodies = {
        name: body
        for name, text, _, body in functions_of(CONTRACTS / "InferenceEscrow.sol")
        if " external " in text.replace("\n", " ")
    }
    assert {"request", "settle", "settleBatch", "decline", "refund", "withdraw"} <= set(bodies)
    assert not {name: body for name, body in bodies.items() if body > MAX_VERB_LINES}


@pytest.mark.parametrize("part", SPINE)
def test_comments__spine__explain_enough_and_not_too_much(part: str) -> None:
    paths = {path for pattern in SPINE[part] for path in CONTRACTS.glob(pattern)}
    comments, code = (sum(column) for column in zip(*map(comments_and_code, paths), strict=True))
    assert 50 <= 100 * comments / code <= 85


def test_python__that_reads_a_contract__names_one_that_exists() -> None:
    named = {
        f"{relative(path)}: {name}"
        for package in ("teetee", "administration", "tests", "scripts")
        for path in modules_of(package)
        for name in re.findall(r"\bcontracts/[\w/]+\.sol", path.read_text(encoding="utf-8"))
        if not (ROOT / name).is_file()
    }
    assert not named

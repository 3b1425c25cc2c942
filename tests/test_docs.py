# SPDX-License-Identifier: Apache-2.0
"""Promises about what people read.

given a page of the documentation
    it should keep its lines within 120 characters, code blocks aside
    it should link only to files and headings that exist
    it should name only files that exist
given the tables of docs/threats.md
    they should have every threat and every finding of both reviews
    every test that they name should exist
given the table of defaults in docs/architecture.md
    each name should be defined in its file
given the pre-commit configuration
    it should run every check of `make lint` and `make types`
given what a newcomer looks for first
    it should be there
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_tree import ROOT, relative, tracked_files

MAX_LINE = 120
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
NAMED_FILE = re.compile(r"`(?P<path>[\w./-]+\.(?:py|sol|md|json|toml|h|cpp))`")
# Benchmarks write tables as wide as they need; vectors name files of other projects.
ELSEWHERE = ("benchmarks/results/", "tests/vectors/")
PAGES = [
    path
    for path in tracked_files()
    if path.suffix == ".md" and not relative(path).startswith(ELSEWHERE)
]
# Names of tests are long.
WIDE_TABLES = ROOT / "docs" / "threats.md"
# A log keeps the names of its day.
LOGS = ("CHANGELOG.md", "docs/decisions/")


def lines_of(page: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines outside code blocks."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, line


def anchors_of(page: Path) -> set[str]:
    """The fragments that GitHub gives a page's headings."""
    headings = [line.lstrip("#").strip() for _, line in lines_of(page) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def links_of(page: Path) -> list[str]:
    found = (match["target"] for _, line in lines_of(page) for match in LINK.finditer(line))
    return [target for target in found if "://" not in target]


def is_broken(page: Path, target: str) -> bool:
    path, _, fragment = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return True
    return bool(fragment) and fragment not in anchors_of(file)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_page__every_line__fits_a_window(page: Path) -> None:
    if relative(page).startswith(LOGS):
        pytest.skip("a log keeps its lines")
    too_long = {
        number: len(line)
        for number, line in lines_of(page)
        if len(line) > MAX_LINE and not (page == WIDE_TABLES and line.startswith("| "))
    }
    assert not too_long


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_page__every_link__leads_somewhere(page: Path) -> None:
    assert not [target for target in links_of(page) if is_broken(page, target)]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_page__every_file_it_names__exists(page: Path) -> None:
    if relative(page).startswith(LOGS):
        pytest.skip("a log keeps the names of its day")
    known = {relative(path) for path in tracked_files()}
    named = {match["path"] for _, line in lines_of(page) for match in NAMED_FILE.finditer(line)}
    unknown = {
        name
        for name in named
        if not any(path == name or path.endswith("/" + name) for path in known)
        and name not in MADE_BY_COMMANDS
    }
    assert not unknown


NAMED_TEST = re.compile(r"`(?P<path>[\w./]+\.(?:py|sol))::(?P<name>\w+)`")
ROWS = [
    line.strip("| ").split(" | ")
    for _, line in lines_of(WIDE_TABLES)
    if line.startswith("| ") and not line.startswith("| # ")
]
FINDINGS = {
    *(
        f"{kind}{number}"
        for kind, last in (("C", 2), ("H", 13), ("M", 14), ("L", 7))
        for number in range(1, last + 1)
    ),
    *(
        f"B-{kind}{number}"
        for kind, last in (("H", 9), ("M", 11), ("L", 6))
        for number in range(1, last + 1)
    ),
}


def test_threats__tables__have_every_threat_and_finding() -> None:
    found = [each for row in ROWS for each in row[0].split(", ")]
    assert len(found) == len(set(found))
    assert set(found) == {*map(str, range(1, 33)), *FINDINGS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_threat__its_row__is_whole_and_names_tests_that_exist(row: list[str]) -> None:
    assert len(row) == 5
    assert all(cell.strip() for cell in row)
    named = list(NAMED_TEST.finditer(row[3]))
    assert named
    assert len(named) == row[3].count("`") // 2
    for each in named:
        source = (ROOT / "tests" / each["path"]).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(?:def|function) {each['name']}\(", source, re.MULTILINE), each[0]


DEFAULT_ROW = re.compile(r"^\| (?P<what>[^|]+) \| `(?P<name>[^`]+)` \| `(?P<path>[^`]+)` \|$")
DEFAULTS = [
    match
    for _, line in lines_of(ROOT / "docs" / "architecture.md")
    if (match := DEFAULT_ROW.match(line))
]


def test_defaults__the_table__is_read() -> None:
    assert len(DEFAULTS) > 20


@pytest.mark.parametrize("row", DEFAULTS, ids=lambda row: row["what"])
def test_default__its_name__is_defined_in_its_file(row: re.Match[str]) -> None:
    name = re.escape(row["name"])
    # A variable, field or parameter with a value; a class or function; an option of a command.
    definition = rf'\b{name}(: [^=\n]+)? ?= ?\S|\b(?:class|def) {name}\b|"{name}", default='
    assert re.search(definition, (ROOT / row["path"]).read_text(encoding="utf-8"))


# Files that commands write, or that a reader brings.
MADE_BY_COMMANDS = {
    "base-sepolia.json",
    "app-compose.json",
    "manifest.json",
    "hosts.json",
    "config.json",
    "tokenizer.json",
    "tcb_info.json",
    "qe_identity.json",
    "build/demo.json",
    "build/deployments/base-local.json",
    "deployments/base-sepolia.json",
}


def test_pre_commit__runs__what_lint_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    recipe = re.search(r"^lint:.*\n(?P<lines>(?:\t.+\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    commands = [line.split() for line in recipe["lines"].splitlines()]
    missing = [
        " ".join(words)
        for words in commands
        if not all(word in hooks for word in words[:2] if not word.startswith("'"))
    ]
    assert not missing
    assert ".venv/bin/mypy" in hooks


@pytest.mark.parametrize(
    "name", ["README.md", "LICENSE", "CONTRIBUTING.md", "SECURITY.md", "docs/extending.md"]
)
def test_repository__for_newcomers__has(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()

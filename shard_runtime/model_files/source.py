# SPDX-License-Identifier: Apache-2.0
"""A model wherever it lies: a folder with safetensors, a folder with one GGUF, a GGUF file, a hub
id.

Opening reads headers and configuration only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from shard_runtime.architecture import Architecture
from shard_runtime.errors import ModelNotFound
from shard_runtime.model_files.config.config_json import read_config_json
from shard_runtime.model_files.gguf.gguf_file import read_gguf
from shard_runtime.model_files.gguf.metadata import read_gguf_metadata
from shard_runtime.model_files.tensors.safetensors_file import read_safetensors
from shard_runtime.model_files.tensors.tensor_file import TensorStore
from shard_runtime.model_files.tensors.tensor_names import Format, TensorNames, find_names

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja"]


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model's files, opened."""

    name: str
    folder: Path
    """Where tokenizer.json and its like are, if they are."""
    gguf: Path | None
    form: Format
    architecture: Architecture
    tensors: TensorStore
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """GGUF's, without its long lists; empty for safetensors."""

    @property
    def names(self) -> TensorNames:
        """What its tensors are called."""
        return find_names(self.form, self.architecture.name, self.tensors)

    @property
    def path(self) -> Path:
        """What `open_model` opens again."""
        return self.gguf or self.folder


def open_model(model: str | Path) -> ModelSource:
    """Open a folder, a .gguf file, or a hub id (downloaded, if huggingface_hub is installed).

    Raises `ModelNotFound`, `ModelFileInvalid`, `ArchitectureUnsupported`.
    """
    path = Path(model)
    if path.is_file():
        return _open_gguf(path)
    if not path.is_dir():
        path = _download(str(model))
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        architecture = read_config_json(path / "config.json")
        name = path.resolve().name
        return ModelSource(
            name, path, None, Format.SAFETENSORS, architecture, read_safetensors(path)
        )
    ggufs = sorted(path.glob("*.gguf"))
    if len(ggufs) != 1:
        raise ModelNotFound(
            str(model), f"the folder has no safetensors with config.json, and {len(ggufs)} *.gguf"
        )
    return _open_gguf(ggufs[0])


def _open_gguf(path: Path) -> ModelSource:
    gguf = read_gguf(path)
    architecture = read_gguf_metadata(gguf)
    return ModelSource(
        path.stem, path.parent, path, Format.GGUF, architecture, gguf.tensors, gguf.metadata
    )


def _download(model: str) -> Path:
    if not _HUB_ID.fullmatch(model) or model.startswith((".", "/")):
        raise ModelNotFound(model, "there is no such folder or file")
    if find_spec("huggingface_hub") is None:
        raise ModelNotFound(
            model, "there is no such folder, and huggingface_hub is not installed to fetch it"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=_HUB_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError):
        raise ModelNotFound(model, "there is no such folder, and the hub did not give it") from None

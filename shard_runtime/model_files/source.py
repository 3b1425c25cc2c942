# SPDX-License-Identifier: Apache-2.0
"""Opens a model: a folder with safetensors, a folder with one GGUF, a GGUF file or a hub id.

A GGUF is one file or the first of several parts. Opening reads only headers and configuration.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from shard_runtime.architecture import Architecture
from shard_runtime.errors import ModelNotFound
from shard_runtime.model_files.folder import read_folder
from shard_runtime.model_files.gguf.gguf_model import open_gguf
from shard_runtime.model_files.gguf.parts import gguf_models, model_name
from shard_runtime.model_files.tensors.tensor_names import (
    FileFormat,
    TensorNames,
    detect_tensor_names,
)
from shard_runtime.model_files.tensors.tensor_store import TensorStore
from shard_runtime.model_files.tokenizer.reading import read_tokenizer_files
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja"]


@dataclass(frozen=True, slots=True)
class ModelSource:
    """An opened model: its architecture and the location of its tensors."""

    name: str
    folder: Path
    """The folder of config.json and tokenizer.json, where the model has them."""
    gguf: Path | None
    format: FileFormat
    architecture: Architecture
    tensors: TensorStore
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """GGUF metadata without long arrays; empty for safetensors."""
    gguf_files: tuple[Path, ...] = ()
    """All files of a GGUF, the first of which is `gguf`; empty for safetensors."""
    _tokenizer_files: list[TokenizerFiles] = field(default_factory=list, repr=False, compare=False)

    @property
    def names(self) -> TensorNames:
        """The names of its tensors."""
        return detect_tensor_names(self.format, self.architecture.name, self.tensors)

    @property
    def path(self) -> Path:
        """The file or folder from which `open_model` opens this model again."""
        return self.gguf or self.folder

    def read_tokenizer_files(self) -> TokenizerFiles:
        """The model's tokenizer, chat template and special tokens.

        Read once: the disk may be the host's, so what is hashed must be what is used. Raises
        `TokenizerInvalid`, `TokenizerUnsupported`, `ModelFileInvalid`.
        """
        if not self._tokenizer_files:
            read = read_tokenizer_files(self.folder, self.gguf, self.metadata)
            self._tokenizer_files.append(read)
        return self._tokenizer_files[0]


def open_model(model: str | Path) -> ModelSource:
    """Opens a folder, a .gguf file, or a hub id (downloaded if huggingface_hub is installed).

    Refuses a model that has a field or a tensor whose effect is not known, and raises an error that
    names it. Raises `ModelError`: of its subclasses, all but those of digests and tokenizers.
    """
    path = Path(model)
    if path.is_file():
        return _open_gguf(path)
    if not path.is_dir():
        path = _download(str(model))
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        architecture, tensors = read_folder(path)
        name = path.resolve().name
        return ModelSource(name, path, None, FileFormat.SAFETENSORS, architecture, tensors)
    ggufs = gguf_models(path)
    if len(ggufs) != 1:
        found = f": {', '.join(each.name for each in ggufs)}" if ggufs else ""
        raise ModelNotFound(
            str(model),
            f"the folder has no *.safetensors with config.json, and {len(ggufs)} *.gguf{found}",
        )
    return _open_gguf(ggufs[0])


def load_tokenizer(source: ModelSource) -> ModelTokenizer:
    """The model's tokenizer. Raises what `ModelSource.read_tokenizer_files` raises."""
    return ModelTokenizer(source.read_tokenizer_files(), source.name)


def _open_gguf(path: Path) -> ModelSource:
    gguf, architecture = open_gguf(path)
    return ModelSource(
        model_name(path),
        path.parent,
        path,
        FileFormat.GGUF,
        architecture,
        gguf.tensors,
        gguf.metadata,
        gguf.parts or (path,),
    )


def _download(model: str) -> Path:
    if not _HUB_ID.fullmatch(model) or model.startswith((".", "/")):
        raise ModelNotFound(model, "no such folder or file")
    if find_spec("huggingface_hub") is None:
        raise ModelNotFound(
            model, "no such folder, and huggingface_hub is not installed to download it"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=_HUB_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError):
        raise ModelNotFound(model, "no such folder, and the download from the hub failed") from None

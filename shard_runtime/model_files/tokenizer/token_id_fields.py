# SPDX-License-Identifier: Apache-2.0
"""The token ids in generation_config.json and config.json: which token begins a text, and which end
an answer.

As in transformers, generation_config.json decides what ends an answer, and config.json where it
says nothing. Its settings for sampling do not apply: a request brings its own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shard_runtime.errors import ModelFileInvalid, TokenizerUnsupported
from shard_runtime.model_files.config.config_json import read_json_object

_MAX_TOKEN = 0xFFFFFFFF
_NONE = -1  # some configs write it for a token that the model does not have


class TokenIdFields:
    """The fields of one folder. Raises `ModelFileInvalid`, `TokenizerUnsupported`."""

    def __init__(self, folder: Path) -> None:
        generation = folder / "generation_config.json"
        files = [(file, _read(file)) for file in (generation, folder / "config.json")]
        if files[0][1].get("stop_strings"):
            raise TokenizerUnsupported(
                str(generation), f"its stop_strings are {files[0][1]['stop_strings']!r:.80}"
            )
        self.bos: list[int] = []
        """Candidates, the first of which counts."""
        for file, values in files:
            self.bos += _ids(file, "bos_token_id", values)
        self.eos: list[int] = []
        for file, values in files:
            if not self.eos:
                self.eos = _ids(file, "eos_token_id", values)


def _read(path: Path) -> Mapping[str, Any]:
    return read_json_object(path) if path.is_file() else {}


def _ids(file: Path, key: str, values: Mapping[str, Any]) -> list[int]:
    """The token ids in a number, a list of numbers or nothing."""
    value, text = values.get(key), values.get("text_config")
    if value is None and isinstance(text, dict):
        value = text.get(key)  # of a model that also reads images
    if value is None:
        return []
    ids = value if isinstance(value, list) else [value]
    for token in ids:
        is_id = isinstance(token, int) and not isinstance(token, bool)
        if not is_id or not _NONE <= token < _MAX_TOKEN:
            raise ModelFileInvalid(str(file), f"its {key} is {value!r:.80}, not a token id")
    return [token for token in ids if token != _NONE]

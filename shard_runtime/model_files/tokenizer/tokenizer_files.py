# SPDX-License-Identifier: Apache-2.0
"""A model's tokenizer as its files describe it: tokenizer JSON, chat template, special tokens.

The digest of the embedding covers these, because another tokenizer or template would make it
another model for its users.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from shard_runtime.errors import ModelFileInvalid, TokenizerInvalid
from shard_runtime.model_files.config.config_json import read_json_object
from shard_runtime.model_files.gguf.tokenizer_json import convert_tokenizer
from teetee.protocol.json import shallow as shallow_json

_NO_TOKEN = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """Everything needed to turn messages into token ids and to recognise the end of an answer."""

    json: str | None = field(repr=False)
    """Canonical: sorted keys, no spaces. None for a model whose prompts are token ids."""
    chat_template: str | None = field(repr=False)
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]

    def digest(self) -> bytes:
        """`H(tokenizer)` of docs/protocol.md section 2, 32 bytes. Missing texts have length 0."""
        hasher = sha256(b"teetee/tokenizer/v1")
        for text in (self.json or "", self.chat_template or ""):
            encoded = text.encode()
            hasher.update(len(encoded).to_bytes(4) + encoded)
        bos = _NO_TOKEN if self.bos_token_id is None else self.bos_token_id
        hasher.update(struct.pack(">II", bos, len(self.eos_token_ids)))
        hasher.update(struct.pack(f">{len(self.eos_token_ids)}I", *self.eos_token_ids))
        return hasher.digest()


def read_tokenizer_files(
    folder: Path, gguf: Path | None, metadata: Mapping[str, Any]
) -> TokenizerFiles:
    """Reads the tokenizer of a model folder, or of a GGUF (with its metadata) in that folder.

    Raises `TokenizerInvalid`, `ModelFileInvalid`, and `TokenizerMissing` for a GGUF that cannot be
    converted here.
    """
    configuration = _read_optional(folder / "tokenizer_config.json")
    generation = _read_optional(folder / "generation_config.json")
    model = _read_optional(folder / "config.json")
    convertible = gguf if "tokenizer.ggml.model" in metadata else None
    text, added = _tokenizer_json(folder / "tokenizer.json", convertible)

    bos = [
        *_ids(generation.get("bos_token_id")),
        *_ids(model.get("bos_token_id")),
        *_ids(metadata.get("tokenizer.ggml.bos_token_id")),
        *_ids(added.get(_content(configuration.get("bos_token")))),
    ]
    eos = {
        *_ids(generation.get("eos_token_id") or model.get("eos_token_id")),
        *_ids(metadata.get("tokenizer.ggml.eos_token_id")),
        *_ids(metadata.get("tokenizer.ggml.eot_token_id")),
        *_ids(added.get(_content(configuration.get("eos_token")))),
    }
    template = _chat_template(folder, configuration) or metadata.get("tokenizer.chat_template")
    return TokenizerFiles(text, template, bos[0] if bos else None, tuple(sorted(eos)))


@lru_cache(maxsize=1)
def _tokenizer_json(path: Path, gguf: Path | None) -> tuple[str | None, dict[str, int]]:
    """The canonical JSON and the added tokens. Cached: parsing takes ten times the file's size."""
    if path.is_file():
        value = read_json_object(path)
    elif gguf is not None:
        value = shallow_json.load(convert_tokenizer(gguf).encode())
    else:
        return None, {}
    try:
        added = {str(token["content"]): int(token["id"]) for token in value["added_tokens"]}
    except (TypeError, KeyError, ValueError):
        raise TokenizerInvalid(str(path), "the added_tokens are malformed") from None
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False), added


def _chat_template(folder: Path, configuration: dict[str, Any]) -> str | None:
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        try:
            return beside.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ModelFileInvalid(str(beside), "it cannot be read as UTF-8") from None
    template = configuration.get("chat_template")
    if isinstance(template, list):  # several named templates
        named = {entry.get("name"): entry.get("template") for entry in template}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _read_optional(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.is_file() else {}


def _content(token: Any) -> str:
    """The text of a special token, which tokenizer_config.json has as a string or an object."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else ""


def _ids(value: Any) -> list[int]:
    """The token ids in a number, a list of numbers or nothing."""
    values = value if isinstance(value, list) else [value]
    return [
        token
        for token in values
        if isinstance(token, int) and not isinstance(token, bool) and 0 <= token < _NO_TOKEN
    ]

# SPDX-License-Identifier: Apache-2.0
"""Reads the tokenizer of a model folder, or of a GGUF with what lies beside it.

Which file decides what: tokenizer.json (or the GGUF's metadata) defines the token ids; the special
tokens of the tokenizer's files are what the template prints; generation_config.json, or else
config.json, names the tokens that end an answer, as do the tokenizer's `eos_token` and, for a GGUF,
llama.cpp's rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from shard_runtime.model_files.config.config_json import read_json_object
from shard_runtime.model_files.gguf.end_tokens import (
    NAMED_TEXTS,
    PRINTED_ROLES,
    find_end_tokens,
    role_ids,
)
from shard_runtime.model_files.gguf.tokenizer_json import convert_tokenizer
from shard_runtime.model_files.gguf.tokenizer_keys import check_tokenizer_keys
from shard_runtime.model_files.tokenizer.agreement import check_agreement
from shard_runtime.model_files.tokenizer.config_fields import check_config_fields
from shard_runtime.model_files.tokenizer.definition import (
    add_tokens,
    added_ids,
    build_tokenizer,
    canonical,
    check_definition,
    without_batch_settings,
)
from shard_runtime.model_files.tokenizer.special_tokens import SpecialTokens, read_special_tokens
from shard_runtime.model_files.tokenizer.templates import read_chat_template
from shard_runtime.model_files.tokenizer.token_id_fields import TokenIdFields
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles
from teetee.protocol.json import shallow as shallow_json

_WITHOUT_VOCABULARY = ("none", "no_vocab")
_STAMPED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
)


def read_tokenizer_files(
    folder: Path, gguf: Path | None, metadata: Mapping[str, Any]
) -> TokenizerFiles:
    """Reads the tokenizer of a model folder, or of a GGUF (with its metadata) in that folder.

    Raises `TokenizerInvalid`, `TokenizerUnsupported`, `ModelFileInvalid`.
    """
    configuration = _read_optional(folder / "tokenizer_config.json")
    convertible = _convertible(gguf, metadata)
    roles = role_ids(metadata, str(gguf)) if convertible is not None else {}
    pre = None
    if convertible is not None and not (folder / "tokenizer.json").is_file():
        check_tokenizer_keys(metadata, str(gguf))
    if convertible is not None and metadata["tokenizer.ggml.model"] == "gpt2":
        pre = metadata.get("tokenizer.ggml.pre")
    content = _read_content(folder, convertible, pre, tuple(roles.values()), _stamp(folder, gguf))
    named = {PRINTED_ROLES[role]: content.texts[token] for role, token in roles.items()}
    named = {name: text for name, text in named.items() if text} | dict(content.special.named)
    stated = TokenIdFields(folder)
    bos = [
        *stated.bos,
        *([roles["bos"]] if "bos" in roles else []),
        *_known_id(configuration.get("bos_token"), content.added),
    ]
    eos = {*stated.eos, *_known_id(named.get("eos_token"), content.added)}
    if convertible is not None:
        eos |= find_end_tokens(content.end_candidates, metadata)
    return TokenizerFiles(
        content.json,
        read_chat_template(folder, configuration, metadata),
        bos[0] if bos else None,
        tuple(sorted(eos)),
        named,
        content.added,
    )


@dataclass(frozen=True, slots=True)
class _Content:
    """What is read from tokenizer.json, or from the GGUF's metadata, and completed."""

    json: str | None = None
    special: SpecialTokens = field(default_factory=SpecialTokens)
    added: Mapping[str, int] = field(default_factory=dict)
    """text → id of the added tokens."""
    texts: Mapping[int, str] = field(default_factory=dict)
    """id → text of the tokens that the GGUF names."""
    end_candidates: Mapping[str, int] = field(default_factory=dict)
    """text → id of the tokens that llama.cpp recognizes by their text."""


@lru_cache(maxsize=1)
def _read_content(
    folder: Path,
    gguf: Path | None,
    pre: str | None,
    named_ids: tuple[int, ...],
    _stamp: tuple[Any, ...],
) -> _Content:
    """Cached, because parsing takes ten times the file's size. _stamp: changes with the files."""
    path = folder / "tokenizer.json"
    beside = path.is_file()
    if not beside and gguf is None:
        return _Content()
    file = str(path if beside else gguf)
    if beside or gguf is None:
        original = read_json_object(path)
    else:
        original = shallow_json.load(convert_tokenizer(gguf).encode())
    check_definition(original, file)
    configuration = _read_optional(folder / "tokenizer_config.json")
    check_config_fields(configuration, original, str(folder / "tokenizer_config.json"))
    model = _read_optional(folder / "config.json")
    special = read_special_tokens(folder, configuration, model, original)
    value = without_batch_settings(original)
    added_ids(value, file)
    tokenizer = build_tokenizer(canonical(value), file)
    if beside and gguf is not None:
        check_agreement(tokenizer, pre, gguf)
    value = add_tokens(value, tokenizer, special, file)
    return _Content(
        canonical(value),
        special,
        added_ids(value, file),
        {token: tokenizer.id_to_token(token) or "" for token in named_ids},
        {text: token for text in NAMED_TEXTS if (token := tokenizer.token_to_id(text)) is not None},
    )


def _convertible(gguf: Path | None, metadata: Mapping[str, Any]) -> Path | None:
    """The GGUF, if it has a tokenizer."""
    model = metadata.get("tokenizer.ggml.model")
    return None if model is None or model in _WITHOUT_VOCABULARY else gguf


def _stamp(folder: Path, gguf: Path | None) -> tuple[Any, ...]:
    files = [folder / name for name in _STAMPED] + ([gguf] if gguf is not None else [])
    stats = [(file, file.stat()) for file in files if file.is_file()]
    return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in stats)


def _known_id(token: Any, ids: Mapping[str, int]) -> list[int]:
    """The id of a special token, which files have as a string or an object."""
    content = token.get("content") if isinstance(token, dict) else token
    return [ids[content]] if isinstance(content, str) and content in ids else []


def _read_optional(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.is_file() else {}

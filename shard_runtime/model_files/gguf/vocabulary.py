# SPDX-License-Identifier: Apache-2.0
"""The vocabulary in a GGUF's metadata: tokens, merges, scores, and what kind each token is."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import AddedToken

from shard_runtime.errors import TokenizerInvalid
from shard_runtime.model_files.gguf.end_tokens import NAMED_TEXTS, end_texts, role_ids
from shard_runtime.model_files.gguf.gguf_file import read_gguf

_TOKENS, _TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_SCORES, _MERGES = "tokenizer.ggml.scores", "tokenizer.ggml.merges"

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6

# Parts of messages that llama.cpp shows to callers whatever the file calls them.
_SHOWN = ("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>")
_ENDS_WITHOUT_STRIPPING = ("<unk>", "<s>", "<|endoftext|>")


@dataclass(frozen=True)
class GgufVocabulary:
    """A GGUF's tokens by id, and the metadata that says how text becomes tokens."""

    file: str
    metadata: Mapping[str, Any]
    tokens: list[str]
    types: list[int]
    scores: list[float] | None
    merges: list[str] | None

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each token. Raises `TokenizerInvalid` if two tokens have the same text."""
        ids = {text: token for token, text in enumerate(self.tokens)}
        if len(ids) < len(self.tokens):
            twice = next(t for number, t in enumerate(self.tokens) if ids[t] != number)
            raise TokenizerInvalid(self.file, f"{_TOKENS} has the token {twice!r:.80} twice")
        return ids

    @cached_property
    def added_tokens(self) -> list[AddedToken]:
        """The tokens that are found in text before it is split, in the order of their ids."""
        strips = any(each in self._text("general.name").lower() for each in ("phi-3", "phi3"))
        return [
            AddedToken(
                text,
                rstrip=strips and text not in _ENDS_WITHOUT_STRIPPING,
                normalized=False,
                special=kind != _USER_DEFINED,
            )
            for text, kind in zip(self.tokens, self._kinds(), strict=True)
            if kind in (_UNKNOWN, _CONTROL, _USER_DEFINED)
        ]

    @property
    def has_all_bytes(self) -> bool:
        """Whether there is a token for each byte, so that every text can be encoded."""
        return all(f"<0x{byte:02X}>" in self.ids for byte in range(256))

    def flag(self, key: str, default: bool) -> bool:
        """A boolean of the metadata. Raises `TokenizerInvalid` for another type."""
        value = self.metadata.get(f"tokenizer.ggml.{key}", default)
        if not isinstance(value, bool):
            raise TokenizerInvalid(self.file, f"tokenizer.ggml.{key} is {value!r:.80}, not a bool")
        return value

    def token(self, role: str, default: int | None) -> str | None:
        """The text of the token that `tokenizer.ggml.{role}_token_id` names."""
        token = self.metadata.get(f"tokenizer.ggml.{role}_token_id", default)
        return None if token is None else self.tokens[token]

    def _kinds(self) -> list[int]:
        kinds = list(self.types)
        ends = end_texts(self.ids, self.metadata)
        for text in NAMED_TEXTS & self.ids.keys():
            if text in ends:
                kinds[self.ids[text]] = _CONTROL
        for text in _SHOWN:
            if text in self.ids:
                kinds[self.ids[text]] = _USER_DEFINED
        return kinds

    def _text(self, key: str) -> str:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""


def read_vocabulary(path: Path) -> GgufVocabulary:
    """Reads the vocabulary of a GGUF. Raises `ModelFileInvalid`, `TokenizerInvalid`."""
    metadata = read_gguf(path, (_TOKENS, _TYPES, _SCORES, _MERGES)).metadata
    file = str(path)
    role_ids(metadata, file)
    tokens = _array(metadata, _TOKENS, str, file)
    if tokens is None:
        raise TokenizerInvalid(file, f"{_TOKENS} is absent")
    tokens = [text or f"[EMPTY_{token}]" for token, text in enumerate(tokens)]
    types = _array(metadata, _TYPES, int, file) or [_NORMAL] * len(tokens)
    scores = _array(metadata, _SCORES, (int, float), file)
    for key, values in ((_TYPES, types), (_SCORES, scores)):
        if values is not None and len(values) != len(tokens):
            raise TokenizerInvalid(
                file, f"{key} has {len(values)} entries for {len(tokens)} tokens"
            )
    for key, token in metadata.items():
        if key.endswith("_token_id") and not 0 <= token < len(tokens):
            raise TokenizerInvalid(file, f"{key} is {token} of {len(tokens)} tokens")
    return GgufVocabulary(
        file, metadata, tokens, types, scores, _array(metadata, _MERGES, str, file)
    )


def _array(
    metadata: Mapping[str, Any], key: str, kind: type | tuple[type, ...], file: str
) -> list[Any] | None:
    if key not in metadata:
        return None
    values = metadata[key]
    if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
        raise TokenizerInvalid(file, f"{key} is not an array of the expected type")
    return values

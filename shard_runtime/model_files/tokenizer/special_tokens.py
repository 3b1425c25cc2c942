# SPDX-License-Identifier: Apache-2.0
"""The special tokens of a model folder, by transformers' rules: which tokens its files add to those
of tokenizer.json, and which names a chat template can print.

They stand in tokenizer_config.json, or in files of older versions: special_tokens_map.json and
added_tokens.json, which count only where tokenizer_config.json lists no `added_tokens_decoder`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken

from shard_runtime.errors import TokenizerInvalid
from shard_runtime.model_files.config.config_json import read_json_object
from shard_runtime.model_files.tokenizer.config_fields import STANDARD_TOKENS
from shard_runtime.model_files.tokenizer.token_defaults import default_tokens

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized")
_SWITCHES = ("add_bos_token", "add_eos_token")
_LISTED, _EXTRA = "added_tokens_decoder", "extra_special_tokens"
_EXTRA_BEFORE, _SPECIFIC = "additional_special_tokens", "model_specific_special_tokens"
_EMPTY = AddedToken("", special=True)
"""A name that templates print as nothing; no token."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """What the files say beside tokenizer.json."""

    named: Mapping[str, str] = field(default_factory=dict)
    """name → text, for chat templates: bos_token, pad_token, …"""
    listed: Mapping[int, AddedToken] = field(default_factory=dict)
    """Tokens that a file lists with their ids."""
    unlisted: Sequence[AddedToken] = ()
    """Tokens that a file names without an id, in the order in which transformers adds them."""

    def missing(self, existing: Mapping[int, AddedToken]) -> list[AddedToken]:
        """The tokens to add to a tokenizer that has the `existing` added tokens."""
        known = {repr(token) for token in existing.values()}
        listed = [self.listed[token] for token in sorted(self.listed)]
        added = [token for token in listed if repr(token) not in known]
        texts = {token.content for token in (*existing.values(), *added)}
        for token in self.unlisted:
            if token.content and token.content not in texts:
                texts.add(token.content)
                added.append(token)
        return [_special(each) if each.content in self.named.values() else each for each in added]


def read_special_tokens(
    folder: Path,
    configuration: Mapping[str, Any],
    model: Mapping[str, Any],
    definition: Mapping[str, Any],
) -> SpecialTokens:
    """Raises `TokenizerInvalid`, `ModelFileInvalid`.

    configuration: tokenizer_config.json. model: config.json. definition: tokenizer.json.
    """
    reader = _Reader(folder, configuration)
    defaults = default_tokens(model, configuration, definition)
    padding = definition.get("padding")
    if isinstance(padding, dict) and "pad_token" in padding:
        defaults["pad_token"] = padding["pad_token"]
    named = reader.named_tokens(defaults)
    extra = reader.extra_tokens()
    listed = reader.listed_tokens({token.content for token in (*named.values(), *extra)})
    by_text = {token.content: token for token in listed.values()}
    return SpecialTokens(
        named={name: token.content for name, token in named.items()},
        listed=listed,
        unlisted=[by_text.get(each.content, each) for each in (*named.values(), *extra)],
    )


class _Reader:
    def __init__(self, folder: Path, configuration: Mapping[str, Any]) -> None:
        self._file = str(folder / "tokenizer_config.json")
        self._configuration = configuration
        self._older_map: dict[str, Any] = {}
        self._older_ids: dict[str, Any] = {}
        if _LISTED not in configuration:
            self._older_map = _read_optional(folder / "special_tokens_map.json")
            self._older_ids = _read_optional(folder / "added_tokens.json")

    def named_tokens(self, defaults: Mapping[str, str]) -> dict[str, AddedToken]:
        """The tokens that have a name, the standard names first. Those set to null have none."""
        values = {**defaults, **self._configuration, **self._older_map}
        others = {
            name: value
            for name, value in values.items()
            if name.endswith("_token") and name not in (*STANDARD_TOKENS, *_SWITCHES)
        }
        explicit = [values.get(_SPECIFIC), self._extra()]
        for each in explicit:
            others |= each if isinstance(each, dict) else {}
        tokens = {name: values.get(name) for name in STANDARD_TOKENS} | others
        return {
            name: _EMPTY if value == "" and name in STANDARD_TOKENS else self._token(name, value)
            for name, value in tokens.items()
            if value is not None
        }

    def extra_tokens(self) -> list[AddedToken]:
        """The special tokens without a name."""
        extra = self._extra()
        if isinstance(extra, dict | None):
            return []  # those of an object have names
        if not isinstance(extra, list):
            raise TokenizerInvalid(self._file, f"{_EXTRA} is {extra!r:.80}, not a list of tokens")
        return [self._token(_EXTRA, each) for each in extra]

    def listed_tokens(self, special: set[str]) -> dict[int, AddedToken]:
        """The tokens that are listed with their ids. special: the texts of the special tokens."""
        if _LISTED in self._configuration:
            listed = self._configuration[_LISTED]
            if not isinstance(listed, dict):
                raise TokenizerInvalid(self._file, f"{_LISTED} is not an object")
            return {self._id(key): self._listed(value) for key, value in listed.items()}
        # transformers has not read these yet when it reads added_tokens.json.
        later = [] if self._extra_is_configured() else self.extra_tokens()
        known = special - {token.content for token in later}
        return {
            self._id(token): AddedToken(text, normalized=text not in known, special=text in known)
            for text, token in self._older_ids.items()
        }

    def _extra(self) -> Any:
        older = self._older_map.get(_EXTRA)
        value = self._configuration.get(_EXTRA) or self._configuration.get(_EXTRA_BEFORE)
        if older is not None and isinstance(value, list | None):
            return [*(value or []), *older] if isinstance(older, list) else older
        return value if self._extra_is_configured() else self._older_map.get(_EXTRA_BEFORE)

    def _extra_is_configured(self) -> bool:
        """Whether the extra tokens are not those that only special_tokens_map.json has."""
        return (
            _EXTRA in self._configuration
            or _EXTRA in self._older_map
            or bool(self._configuration.get(_EXTRA_BEFORE))
        )

    def _token(self, name: str, value: Any) -> AddedToken:
        """A special token, written as its text or as an object."""
        fields = value if isinstance(value, dict) else {"content": value}
        content = fields.get("content")
        flags = {key: fields[key] for key in _FLAGS if key in fields}
        is_text = isinstance(content, str) and content
        if not is_text or not all(isinstance(flag, bool) for flag in flags.values()):
            raise TokenizerInvalid(self._file, f"{name} is {value!r:.80}, not a token")
        return AddedToken(content, special=True, **flags)

    def _listed(self, value: Any) -> AddedToken:
        token = self._token(_LISTED, value)
        if isinstance(value, dict) and value.get("special") is True:
            return token
        flags = {key: getattr(token, key) for key in _FLAGS if key != "normalized"}
        flags["normalized"] = value.get("normalized", True) if isinstance(value, dict) else True
        return AddedToken(token.content, special=False, **flags)

    def _id(self, value: Any) -> int:
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not (text.isascii() and text.isdigit()):
            raise TokenizerInvalid(self._file, f"{value!r:.80} is not a token id")
        return int(text)


def _special(token: AddedToken) -> AddedToken:
    token.special = True
    return token


def _read_optional(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.is_file() else {}

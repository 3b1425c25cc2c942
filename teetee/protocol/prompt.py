# SPDX-License-Identifier: Apache-2.0
"""The content of an envelope: messages and sampling options, as JSON with exact fields and bounds.

`teetee.protocol.envelope` pads and encrypts it. It is plaintext: reprs omit it, and errors name
fields and rules, never values.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from teetee.errors import FieldInvalid, PromptInvalid
from teetee.protocol.identifiers import ShardId
from teetee.protocol.json.strict import (
    parse_object,
    require_fields,
    require_integer,
    require_list,
    require_text,
)
from teetee.protocol.request_secret import SEED_BITS

Role = Literal["system", "user", "assistant"]

ROLES: tuple[str, ...] = get_args(Role)
MAX_MESSAGES = 256
MAX_TEMPERATURE = 2.0
MAX_TOP_K = 1_000_000
MAX_SEED = (1 << SEED_BITS) - 1
MAX_STOP_STRINGS = 4
MAX_STOP_CHARACTERS = 256
MAX_TOKENS = (1 << 32) - 1
"""Token counts are `uint32` on chain; a model's context length is the narrower bound."""
MAX_TEMPLATE_TOKENS = (1 << 24) - 1

_MESSAGE_FIELDS = frozenset({"role", "content"})
_SAMPLING_FIELDS = frozenset({"temperature", "top_p", "top_k", "seed", "stop", "max_tokens"})
_PROMPT_FIELDS = frozenset({"messages", "sampling", "shards"})
_SHARD_FIELDS = frozenset({"only", "avoid"})
MAX_NAMED_SHARDS = 64
_MAX_UINT32 = (1 << 32) - 1
_TEMPLATE_FIELDS = {"alone": "alone", "with_system": "withSystem", "per_message": "perMessage"}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise PromptInvalid("messages.role", f"must be one of {', '.join(ROLES)}")
        if not require_text(self.content, "messages.content", PromptInvalid):
            raise PromptInvalid("messages.content", "must not be empty")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. With `temperature` 0 (greedy), `top_p`, `top_k` and `seed` have
    no effect.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """0: no limit."""
    seed: int | None = field(default=None, repr=False)
    """None: derived from the request's secret."""
    stop: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not 0 <= _number(self.temperature, "sampling.temperature") <= MAX_TEMPERATURE:
            raise PromptInvalid("sampling.temperature", f"must be from 0 to {MAX_TEMPERATURE:g}")
        if not 0 < _number(self.top_p, "sampling.top_p") <= 1:
            raise PromptInvalid("sampling.top_p", "must be above 0 and at most 1")
        require_integer(self.top_k, "sampling.top_k", 0, MAX_TOP_K, PromptInvalid)
        require_integer(self.max_tokens, "sampling.max_tokens", 1, MAX_TOKENS, PromptInvalid)
        if self.seed is not None:
            require_integer(self.seed, "sampling.seed", 0, MAX_SEED, PromptInvalid)
        if len(self.stop) > MAX_STOP_STRINGS:
            raise PromptInvalid("sampling.stop", f"must have at most {MAX_STOP_STRINGS} strings")
        for text in self.stop:
            if (
                not 1
                <= len(require_text(text, "sampling.stop", PromptInvalid))
                <= MAX_STOP_CHARACTERS
            ):
                raise PromptInvalid(
                    "sampling.stop", f"must have strings of 1 to {MAX_STOP_CHARACTERS} characters"
                )


@dataclass(frozen=True, slots=True)
class ShardChoice:
    """Which shards the requester lets compute the answer, besides the entry, which it chose."""

    only: tuple[ShardId, ...] = ()
    """Empty: any."""
    avoid: tuple[ShardId, ...] = ()

    def __post_init__(self) -> None:
        for name, shards in (("only", self.only), ("avoid", self.avoid)):
            if len(shards) > MAX_NAMED_SHARDS:
                raise PromptInvalid(f"shards.{name}", f"must have at most {MAX_NAMED_SHARDS} items")
            for shard_id in shards:
                require_integer(shard_id, f"shards.{name}", 1, _MAX_UINT32, PromptInvalid)

    def permits(self, shard_id: ShardId) -> bool:
        """Whether that shard may compute."""
        return shard_id not in self.avoid and (not self.only or shard_id in self.only)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation, how to continue it, and over which shards."""

    messages: tuple[Message, ...]
    sampling: Sampling
    shards: ShardChoice = ShardChoice()

    def __post_init__(self) -> None:
        if not 1 <= len(self.messages) <= MAX_MESSAGES:
            raise PromptInvalid("messages", f"must have 1 to {MAX_MESSAGES} items")

    def to_json(self) -> bytes:
        """UTF-8, every field present."""
        sampling = self.sampling
        value = {
            "messages": [
                {"role": message.role, "content": message.content} for message in self.messages
            ],
            "sampling": {
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
                "seed": sampling.seed,
                "stop": list(sampling.stop),
                "max_tokens": sampling.max_tokens,
            },
            "shards": {"only": list(self.shards.only), "avoid": list(self.shards.avoid)},
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Prompt":
        """The reverse of `to_json`. Raises `PromptInvalid` naming the first missing, unknown or
        invalid field.
        """
        value = require_fields(
            parse_object(data, PromptInvalid), _PROMPT_FIELDS, "prompt", PromptInvalid
        )
        messages = require_list(value["messages"], "messages", MAX_MESSAGES, PromptInvalid)
        return cls(
            tuple(_message(message) for message in messages),
            _sampling(value["sampling"]),
            _shards(value["shards"]),
        )


def _message(value: object) -> Message:
    fields = require_fields(value, _MESSAGE_FIELDS, "messages", PromptInvalid)
    return Message(fields["role"], fields["content"])


def _sampling(value: object) -> Sampling:
    fields = require_fields(value, _SAMPLING_FIELDS, "sampling", PromptInvalid)
    stop = require_list(fields["stop"], "sampling.stop", MAX_STOP_STRINGS, PromptInvalid)
    return Sampling(
        max_tokens=fields["max_tokens"],
        temperature=fields["temperature"],
        top_p=fields["top_p"],
        top_k=fields["top_k"],
        seed=fields["seed"],
        stop=tuple(stop),
    )


def _shards(value: object) -> ShardChoice:
    fields = require_fields(value, _SHARD_FIELDS, "shards", PromptInvalid)
    only, avoid = (
        tuple(require_list(fields[name], f"shards.{name}", MAX_NAMED_SHARDS, PromptInvalid))
        for name in ("only", "avoid")
    )
    return ShardChoice(only, avoid)


def _number(value: object, name: str) -> float:
    # Infinities and NaN fail the caller's comparison.
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise PromptInvalid(name, "must be a number")
    return value


@dataclass(frozen=True, slots=True)
class TemplateTokens:
    """Upper bounds of what a model's chat template adds to a prompt: roles, markers, and often a
    system message of its own. The manifest has them, and an entry says them (`teetee-info/1`).

    Raises `FieldInvalid` for numbers that no template can have.
    """

    alone: int
    """Once, in a conversation that begins with the user's message."""
    with_system: int
    """Once, in one that begins with a system message."""
    per_message: int
    """For each message, in addition."""

    def __post_init__(self) -> None:
        for name in _TEMPLATE_FIELDS:
            value: object = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise FieldInvalid(name, "must be an integer")
            if not 0 <= value <= MAX_TEMPLATE_TOKENS:
                raise FieldInvalid(name, f"must be from 0 to {MAX_TEMPLATE_TOKENS}")

    def added_to(self, messages: Sequence[Message]) -> int:
        """The most tokens that the template adds to these messages."""
        has_system = bool(messages) and messages[0].role == "system"
        return (self.with_system if has_system else self.alone) + self.per_message * len(messages)

    def to_json(self) -> dict[str, int]:
        """As the manifest and the entry write it."""
        return {wire: getattr(self, name) for name, wire in _TEMPLATE_FIELDS.items()}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """The reverse of `to_json`. Raises `FieldInvalid`."""
        expected = sorted(_TEMPLATE_FIELDS.values())
        if not isinstance(value, dict) or sorted(value) != expected:
            raise FieldInvalid("template tokens", f"must be exactly {expected}")
        return cls(**{name: value[wire] for name, wire in _TEMPLATE_FIELDS.items()})

# SPDX-License-Identifier: Apache-2.0
"""The content of a sealed answer, as JSON with exact fields and bounds.

It is plaintext: the repr omits it, and errors name fields and rules, never values.
"""

import json
from dataclasses import dataclass, field
from typing import Literal, get_args

from teetee.errors import AnswerInvalid
from teetee.protocol.identifiers import ShardId
from teetee.protocol.json.strict import (
    parse_object,
    require_fields,
    require_integer,
    require_list,
    require_text,
)

FinishReason = Literal["stop", "length"]
"""`stop`: an end-of-sequence token or a stop string. `length`: the token limit or the context is
reached, or the sealed answer is full.
"""

FINISH_REASONS: tuple[str, ...] = get_args(FinishReason)
MAX_TOKEN_CHARACTER_BYTES = 6
"""A character takes at most this much of an answer's JSON: `\\u001f`."""

MAX_EARLIER_SHARDS = 64

_MAX_UINT32 = (1 << 32) - 1
_MAX_DIGITS = len(str(_MAX_UINT32))
_ANSWER_FIELDS = frozenset({"text", "token_ids", "finish_reason", "usage"})
_USAGE_FIELDS = frozenset({"input_tokens", "output_tokens"})


class AnswerSize:
    """How many bytes of JSON an answer takes, counted while it grows; never less than it takes."""

    def __init__(self) -> None:
        self.bytes = len(Answer("", (0,), "length", _MAX_UINT32, 1).to_json()) + _MAX_DIGITS

    def add_token(self, token_id: int) -> None:
        """Counts one token's id."""
        self.bytes += len(str(token_id)) + 1

    def add_text(self, piece: str) -> None:
        """Counts a piece of text."""
        self.bytes += text_bytes(piece)


def text_bytes(text: str) -> int:
    """The bytes of a text within an answer's JSON."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    text: str = field(repr=False)
    token_ids: tuple[int, ...] = field(repr=False)
    """Every sampled token, including a final end-of-sequence token; `output_tokens` in number."""
    finish_reason: FinishReason
    input_tokens: int
    output_tokens: int
    earlier_shards: tuple[ShardId, ...] = ()
    """Shards of runs that broke before the settled one: they may have had hidden states of the
    request. Public, authenticated, and not part of the JSON: `teetee.protocol.envelope`."""

    def __post_init__(self) -> None:
        require_text(self.text, "text", AnswerInvalid)
        if self.finish_reason not in FINISH_REASONS:
            raise AnswerInvalid("finish_reason", f"must be one of {', '.join(FINISH_REASONS)}")
        require_integer(self.input_tokens, "usage.input_tokens", 1, _MAX_UINT32, AnswerInvalid)
        require_integer(self.output_tokens, "usage.output_tokens", 1, _MAX_UINT32, AnswerInvalid)
        if len(self.token_ids) != self.output_tokens:
            raise AnswerInvalid("token_ids", "must be as many as usage.output_tokens")
        for token_id in self.token_ids:
            require_integer(token_id, "token_ids", 0, _MAX_UINT32, AnswerInvalid)
        if len(self.earlier_shards) > MAX_EARLIER_SHARDS:
            raise AnswerInvalid("earlier_shards", f"must be at most {MAX_EARLIER_SHARDS}")

    def to_json(self) -> bytes:
        """UTF-8, every field present."""
        value = {
            "text": self.text,
            "token_ids": list(self.token_ids),
            "finish_reason": self.finish_reason,
            "usage": {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens},
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Answer":
        """The reverse of `to_json`. Raises `AnswerInvalid` naming the first missing, unknown or
        invalid field.
        """
        value = require_fields(
            parse_object(data, AnswerInvalid), _ANSWER_FIELDS, "answer", AnswerInvalid
        )
        usage = require_fields(value["usage"], _USAGE_FIELDS, "usage", AnswerInvalid)
        return cls(
            text=value["text"],
            token_ids=tuple(
                require_list(value["token_ids"], "token_ids", len(data), AnswerInvalid)
            ),
            finish_reason=value["finish_reason"],
            input_tokens=usage["input_tokens"],
            output_tokens=usage["output_tokens"],
        )

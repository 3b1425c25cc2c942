# SPDX-License-Identifier: Apache-2.0
"""Prompts, one a line: text, or numbers that are token ids."""

import re
from collections.abc import Sequence
from enum import Enum

from shard_runtime.errors import PromptEmpty
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer

_TOKEN_IDS = re.compile(r"\s*\d+(?:[\s,]+\d+)*[\s,]*")


class Form(Enum):
    """How a line of text becomes a prompt."""

    AUTOMATIC = "auto"
    """As a message if the model has a chat template, raw otherwise."""
    CHAT = "chat"
    RAW = "raw"


def token_ids_of(line: str) -> tuple[int, ...] | None:
    """The token ids that a line of numbers gives; None for a line of text."""
    if not _TOKEN_IDS.fullmatch(line):
        return None
    return tuple(int(number) for number in re.findall(r"\d+", line))


def encode_prompts(
    text: str, tokenizer: ModelTokenizer, form: Form = Form.AUTOMATIC
) -> list[tuple[int, ...]]:
    """Token ids of every line that is not blank.

    Raises `PromptEmpty` for a text without such lines, and the tokenizer's errors.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise PromptEmpty
    chat = form is Form.CHAT or (form is Form.AUTOMATIC and tokenizer.has_chat_template)
    return [_encode(line, tokenizer, chat=chat) for line in lines]


def first_difference(ours: Sequence[int], theirs: Sequence[int]) -> int | None:
    """The first place where two answers differ, the end of the shorter included."""
    if tuple(ours) == tuple(theirs):
        return None
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    return same


def _encode(line: str, tokenizer: ModelTokenizer, *, chat: bool) -> tuple[int, ...]:
    token_ids = token_ids_of(line)
    if token_ids is not None:
        return token_ids
    if chat:
        return tokenizer.encode_messages([{"role": "user", "content": line}])
    return tokenizer.encode_text(line)

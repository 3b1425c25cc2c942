# SPDX-License-Identifier: Apache-2.0
"""Prompts, one per line: text, or token ids as numbers."""

import re
from collections.abc import Sequence
from enum import Enum

from shard_runtime.errors import PromptEmpty
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer

_TOKEN_IDS = re.compile(r"\s*\d+(?:[\s,]+\d+)*[\s,]*")


class PromptForm(Enum):
    """How a line of text becomes a prompt."""

    AUTOMATIC = "auto"
    """CHAT if the model has a chat template, otherwise RAW."""
    CHAT = "chat"
    """A user message, rendered by the chat template."""
    RAW = "raw"
    """Plain text."""


def token_ids_of(line: str) -> tuple[int, ...] | None:
    """The token ids in a line of numbers; None for a line of text."""
    if not _TOKEN_IDS.fullmatch(line):
        return None
    return tuple(int(number) for number in re.findall(r"\d+", line))


def text_lines(text: str) -> list[str]:
    """The lines that are text."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [line for line in lines if token_ids_of(line) is None]


def encode_prompts(
    text: str, tokenizer: ModelTokenizer, form: PromptForm = PromptForm.AUTOMATIC
) -> list[tuple[int, ...]]:
    """The token ids of every line that is not blank.

    Raises `PromptEmpty` if there is no such line, and the tokenizer's errors.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise PromptEmpty
    chat = form is PromptForm.CHAT or (form is PromptForm.AUTOMATIC and tokenizer.has_chat_template)
    return [_encode(line, tokenizer, chat=chat) for line in lines]


def first_difference(actual: Sequence[int], expected: Sequence[int]) -> int | None:
    """The first position at which two answers differ, also if one is a prefix of the other."""
    if tuple(actual) == tuple(expected):
        return None
    position = 0
    while position < min(len(actual), len(expected)) and actual[position] == expected[position]:
        position += 1
    return position


def _encode(line: str, tokenizer: ModelTokenizer, *, chat: bool) -> tuple[int, ...]:
    token_ids = token_ids_of(line)
    if token_ids is not None:
        return token_ids
    if chat:
        return tokenizer.encode_messages([{"role": "user", "content": line}])
    return tokenizer.encode_text(line)

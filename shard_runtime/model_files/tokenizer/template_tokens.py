# SPDX-License-Identifier: Apache-2.0
"""Measures how many tokens a model's chat template adds, by rendering short conversations."""

from itertools import pairwise

from shard_runtime.errors import ChatTemplateInvalid
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from teetee.protocol.prompt import TemplateTokens

_CONTENT = "a"
_TURNS = 3
"""Some templates treat the first turn or the last in another way."""


def measure_template(tokenizer: ModelTokenizer) -> TemplateTokens | None:
    """None for a model without tokenizer or chat template, and for a template that refuses a
    question.
    """
    if not (tokenizer.reads_text and tokenizer.has_chat_template):
        return None
    talks = [["user", *["assistant", "user"] * turn] for turn in range(_TURNS)]
    lengths = [_length(tokenizer, roles) for roles in talks]
    alone = lengths[0]
    if alone is None:
        return None
    known = [length for length in lengths if length is not None]
    growth = [later - earlier for earlier, later in pairwise(known)]
    # Each turn adds two messages. A template that takes one question alone has no turns.
    per_message = max((-(-each // 2) for each in growth), default=0)
    with_system = _length(tokenizer, ["system", "user"])
    return TemplateTokens(
        alone=max(0, alone - per_message),
        with_system=max(0, (alone if with_system is None else with_system) - 2 * per_message),
        per_message=max(0, per_message),
    )


def _length(tokenizer: ModelTokenizer, roles: list[str]) -> int | None:
    """Of a conversation with one letter per message; None: the template refuses it."""
    messages = [{"role": role, "content": _CONTENT} for role in roles]
    try:
        return len(tokenizer.encode_messages(messages))
    except ChatTemplateInvalid:
        return None

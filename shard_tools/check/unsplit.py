# SPDX-License-Identifier: Apache-2.0
"""Answers prompts with the unsplit model by transformers: tokenizer, chat template and arithmetic.

No code of this runtime computes the answer, so it is an independent reference for a split one. Two
things come from here: which tokens end an answer, and the tokenizer.json of a bare GGUF, because
transformers reads some GGUF tokenizers otherwise than their models were trained.
"""

import contextlib
from dataclasses import dataclass
from typing import Any

from shard_runtime.errors import PromptEmpty
from shard_runtime.model_files.source import ModelSource, load_tokenizer, open_model
from shard_tools.check import reference
from shard_tools.check.memory import peak_bytes
from shard_tools.check.prompts import PromptForm, token_ids_of
from shard_tools.prepare import with_tokenizer


@dataclass(frozen=True, slots=True)
class UnsplitAnswer:
    """A greedy answer. The ids include the end token; the text does not."""

    input_tokens: int
    token_ids: tuple[int, ...]
    text: str

    def to_json(self) -> dict[str, Any]:
        """One answer of the report."""
        return {
            "text": self.text,
            "tokenIds": list(self.token_ids),
            "inputTokens": self.input_tokens,
            "outputTokens": len(self.token_ids),
        }


@dataclass(frozen=True, slots=True)
class UnsplitReport:
    """All answers, and the peak memory of the process."""

    model: str
    answers: tuple[UnsplitAnswer, ...]
    peak_bytes: int

    def to_json(self) -> dict[str, Any]:
        """The document that `unsplit --json` prints."""
        return {
            "model": self.model,
            "reference": reference.name(),
            "answers": [answer.to_json() for answer in self.answers],
            "peakBytes": self.peak_bytes,
        }


def answer_unsplit(model: str, prompts: str, form: PromptForm, max_tokens: int) -> UnsplitReport:
    """Answers every line that is not blank.

    Raises the errors of opening, `CheckFailed`, `PromptEmpty`.
    """
    lines = [line.strip() for line in prompts.splitlines() if line.strip()]
    if not lines:
        raise PromptEmpty
    source = open_model(model)
    with contextlib.ExitStack() as stack:
        return _answer(with_tokenizer(source, stack), lines, form, max_tokens)


def _answer(
    source: ModelSource, lines: list[str], form: PromptForm, max_tokens: int
) -> UnsplitReport:
    loaded = reference.load_reference(source)
    numbers_only = all(token_ids_of(line) is not None for line in lines)
    tokenizer = None if numbers_only else reference.load_reference_tokenizer(source)
    eos_token_ids = load_tokenizer(source).eos_token_ids
    answers = []
    for line in lines:
        prompt = token_ids_of(line) or _encode(tokenizer, line, form)
        answer = reference.greedy(loaded, prompt, max_tokens, eos_token_ids)
        visible = [token for token in answer if token not in eos_token_ids]
        text = tokenizer.decode(visible, skip_special_tokens=True) if tokenizer else ""
        answers.append(UnsplitAnswer(len(prompt), answer, text))
    return UnsplitReport(source.name, tuple(answers), peak_bytes())


def _encode(tokenizer: Any, line: str, form: PromptForm) -> tuple[int, ...]:
    chat = form is PromptForm.CHAT or (form is PromptForm.AUTOMATIC and tokenizer.chat_template)
    if not chat:
        return tuple(tokenizer(line)["input_ids"])
    messages = [{"role": "user", "content": line}]
    encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    return tuple(encoded["input_ids"])

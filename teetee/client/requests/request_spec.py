# SPDX-License-Identifier: Apache-2.0
"""What a person asks, and how much of it may be paid for: caps, deadline, price. Pure; knows no
chain.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from teetee.client.amounts import format_amount
from teetee.client.errors import InvalidQuestion, PriceAboveLimit, PromptTooLong
from teetee.client.settlement_split import price_of
from teetee.protocol.prompt import Message, Prompt, Sampling

DEFAULT_MAX_TOKENS = 256
DEFAULT_DEADLINE_SECONDS = 300
OPENING_SECONDS = 5
"""Sealing, paying and the next block may take so long."""

# A token is at least one byte of the prompt, so bytes are a bound. What a chat template adds
# (roles, marks, often a system message of its own) is not known here.
TEMPLATE_TOKENS = 96
TEMPLATE_TOKENS_PER_MESSAGE = 16
# Prose has about 4 bytes a token, code less. Beyond this, a prompt cannot fit; below, its entry
# decides.
LIKELY_MOST_BYTES_PER_TOKEN = 16


@dataclass(frozen=True)
class Question:
    """One question with its limits. Amounts in wei, times in seconds; None: chosen from the model
    and the escrow.
    """

    prompt: str = field(repr=False)
    system: str | None = field(default=None, repr=False)
    model: str | None = None
    """By number or name; None: the only one."""
    max_tokens: int = DEFAULT_MAX_TOKENS
    max_input_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = field(default=None, repr=False)
    stop: tuple[str, ...] = field(default=(), repr=False)
    deadline_seconds: int | None = None
    max_price: int | None = None
    recipients: int = 1
    allowance_shard: int | None = None

    def to_prompt(self) -> Prompt:
        """What is sealed. Raises `InvalidQuestion` when it is empty, else `PromptInvalid`."""
        if not self.prompt.strip():
            raise InvalidQuestion("it is empty", "Write it as the argument, or pipe it in with -.")
        system = () if self.system is None else (Message("system", self.system),)
        sampling = Sampling(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            seed=self.seed,
            stop=self.stop,
        )
        return Prompt((*system, Message("user", self.prompt)), sampling)


@dataclass(frozen=True)
class Caps:
    """The most that a request may use. `certain`: whether the prompt fits for sure."""

    input_tokens: int
    output_tokens: int
    certain: bool


def choose_caps(question: Question, prompt: Prompt, context_length: int) -> Caps:
    """Input tokens enough for the prompt, else all that there is room for; or `PromptTooLong`."""
    room = context_length - question.max_tokens
    size = sum(len(message.content.encode()) for message in prompt.messages)
    bound = size + TEMPLATE_TOKENS + TEMPLATE_TOKENS_PER_MESSAGE * len(prompt.messages)
    if room < 1 or size > room * LIKELY_MOST_BYTES_PER_TOKEN:
        fewest = size // LIKELY_MOST_BYTES_PER_TOKEN + 1
        raise PromptTooLong(fewest, question.max_tokens, context_length)
    if question.max_input_tokens is None:
        return Caps(min(bound, room), question.max_tokens, certain=bound <= room)
    if not 1 <= question.max_input_tokens <= room:
        raise PromptTooLong(question.max_input_tokens, question.max_tokens, context_length)
    certain = bound <= question.max_input_tokens
    return Caps(question.max_input_tokens, question.max_tokens, certain)


def choose_window(question: Question, shortest: int, longest: int) -> int:
    """Seconds from now to the deadline, within what the escrow admits. Raises `InvalidQuestion`.

    shortest, longest: the escrow's, which counts from the block that takes the request.
    """
    shortest = min(shortest + OPENING_SECONDS, longest)
    if question.deadline_seconds is None:
        return max(shortest, min(DEFAULT_DEADLINE_SECONDS, longest))
    if not shortest <= question.deadline_seconds <= longest:
        raise InvalidQuestion(
            f"a deadline in {question.deadline_seconds} s is not possible",
            f"Choose --deadline from {shortest} to {longest} seconds.",
        )
    return question.deadline_seconds


def choose_deposit(question: Question, caps: Caps, input_price: int, output_price: int) -> int:
    """What the caps cost, in wei; zero on an allowance. Raises `PriceAboveLimit`."""
    if question.allowance_shard is not None:
        return 0
    deposit = price_of(caps.input_tokens, caps.output_tokens, input_price, output_price)
    if question.max_price is not None and deposit > question.max_price:
        raise PriceAboveLimit(format_amount(deposit), format_amount(question.max_price))
    return deposit

# SPDX-License-Identifier: Apache-2.0
"""The terms that follow from a request spec: token caps, deadline, deposit, and whether the price
is within the user's limit. Pure: model and escrow are given.

The caps are public, so they tell no more than the envelope's size: prompts that are padded to the
same bucket have the same input cap, and the output cap is rounded up, while the sealed prompt holds
the exact one. Both raise the deposit alone: what is not used comes back with the settlement.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from teetee.chain.contracts.escrow import EscrowTerms
from teetee.chain.types.models import Model
from teetee.client.amounts import format_amount
from teetee.client.errors import InvalidQuestion, PriceAboveLimit, PromptTooLong
from teetee.client.requests.request_spec import DEFAULT_DEADLINE_SECONDS, RequestSpec
from teetee.client.settlement_split import price_of
from teetee.protocol.prompt import Prompt, TemplateTokens
from teetee.protocol.sealing.padding import bucket_of

OPENING_SECONDS = 5
"""An allowance for sealing, paying and the next block."""

# A token is at least one byte of the prompt, so the byte count is an upper bound. What a chat
# template adds, if no entry says it:
TEMPLATE_TOKENS = 96
TEMPLATE_TOKENS_PER_MESSAGE = 16
USUAL_TEMPLATE = TemplateTokens(TEMPLATE_TOKENS, TEMPLATE_TOKENS, TEMPLATE_TOKENS_PER_MESSAGE)
TEMPLATE_MARGIN_TOKENS = 16
"""A template may print the date, whose length changes, and pieces of text may join otherwise."""
# Prose has about 4 bytes per token, code fewer. A prompt with more bytes than this per token of
# context cannot fit; below, the entry decides.
MAX_LIKELY_BYTES_PER_TOKEN = 16
MAX_OUTPUT_TOKENS = (1 << 16) - 1
OUTPUT_STEP_TOKENS = 16
"""Output caps are multiples of it, and of an eighth of their size."""


@dataclass(frozen=True)
class TokenCaps:
    """The tokens a request may use at most. `certain`: whether the prompt is certain to fit."""

    input_tokens: int
    output_tokens: int
    certain: bool


@dataclass(frozen=True)
class RequestTerms:
    """What a spec amounts to for one model and escrow."""

    prompt: Prompt = field(repr=False)
    caps: TokenCaps
    window_seconds: int
    """From the request to its deadline."""
    deposit: int
    """The price of the caps, in wei; zero on an allowance."""

    @property
    def prompt_bytes(self) -> int:
        """Of the messages' texts, in UTF-8."""
        return _text_bytes(self.prompt)


def terms_of(
    spec: RequestSpec,
    model: Model,
    escrow: EscrowTerms,
    template: TemplateTokens = USUAL_TEMPLATE,
) -> RequestTerms:
    """Derive caps, deadline and deposit. `template`: what the model's chat template adds.

    Raises `InvalidQuestion`, `PromptInvalid`, `PromptTooLong`, `PriceAboveLimit`.
    """
    prompt = spec.to_prompt()
    caps = _choose_caps(spec, prompt, model.context_length, template)
    window = window_of(spec, escrow)
    deposit = _price_deposit(spec, caps, model.input_price, model.output_price)
    return RequestTerms(prompt, caps, window, deposit)


def _choose_caps(
    spec: RequestSpec, prompt: Prompt, context_length: int, template: TemplateTokens
) -> TokenCaps:
    """Pay for enough input tokens for the prompt, or for all that fit into the context."""
    size = _text_bytes(prompt)
    added = template.added_to(prompt.messages)
    is_known = template is not USUAL_TEMPLATE
    bound = size + added + (TEMPLATE_MARGIN_TOKENS if is_known else 0)
    output = _round_output_up(spec.max_tokens)
    if bound + output > context_length or output > MAX_OUTPUT_TOKENS:
        output = spec.max_tokens  # no room for rounding
    room = context_length - output
    if room < 1 or size > room * MAX_LIKELY_BYTES_PER_TOKEN or (is_known and added >= room):
        fewest = size // MAX_LIKELY_BYTES_PER_TOKEN + 1 + (added if is_known else 0)
        raise PromptTooLong(fewest, spec.max_tokens, context_length)
    if spec.max_input_tokens is None:
        cap = min(_round_input_up(prompt, template), room)
        return TokenCaps(cap, output, certain=bound <= cap)
    if not 1 <= spec.max_input_tokens <= room:
        raise PromptTooLong(spec.max_input_tokens, spec.max_tokens, context_length)
    certain = bound <= spec.max_input_tokens
    return TokenCaps(spec.max_input_tokens, output, certain)


def _round_input_up(prompt: Prompt, template: TemplateTokens) -> int:
    """Enough for every prompt of one or two messages that is padded to the same bucket: it has no
    more bytes of text than the bucket, and no more tokens than bytes.
    """
    per_message = max(2, len(prompt.messages)) * template.per_message
    added = max(template.alone, template.with_system) + per_message
    return bucket_of(prompt.to_json()) + added + TEMPLATE_MARGIN_TOKENS


def _round_output_up(tokens: int) -> int:
    """At most an eighth more, or 15."""
    step = max(OUTPUT_STEP_TOKENS, 1 << max(0, tokens.bit_length() - 4))
    return -(-tokens // step) * step


def _text_bytes(prompt: Prompt) -> int:
    return sum(len(message.content.encode()) for message in prompt.messages)


def require_valid(spec: RequestSpec, model: Model, escrow: EscrowTerms) -> None:
    """Raises those errors of `terms_of` that depend on no price."""
    terms_of(replace(spec, max_price=None), model, escrow)


def window_of(spec: RequestSpec, escrow: EscrowTerms) -> int:
    """Choose the seconds to the deadline; the escrow counts from the block of the request."""
    min_window, max_window = escrow.min_window, escrow.max_window
    shortest = min(min_window + OPENING_SECONDS, max_window)
    if spec.deadline_seconds is None:
        return max(shortest, min(DEFAULT_DEADLINE_SECONDS, max_window))
    if not shortest <= spec.deadline_seconds <= max_window:
        raise InvalidQuestion(
            f"a deadline in {spec.deadline_seconds} s is not possible",
            f"Choose --deadline from {shortest} to {max_window} seconds.",
        )
    return spec.deadline_seconds


def _price_deposit(spec: RequestSpec, caps: TokenCaps, input_price: int, output_price: int) -> int:
    if spec.allowance_shard is not None:
        return 0
    deposit = price_of(caps.input_tokens, caps.output_tokens, input_price, output_price)
    if spec.max_price is not None and deposit > spec.max_price:
        raise PriceAboveLimit(format_amount(deposit), format_amount(spec.max_price))
    return deposit

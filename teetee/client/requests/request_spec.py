# SPDX-License-Identifier: Apache-2.0
"""What a user asks for, and the defaults. `request_terms` derives caps, deadline and deposit."""

from __future__ import annotations

from dataclasses import dataclass, field

from teetee.client.errors import InvalidQuestion
from teetee.protocol.identifiers import ShardId
from teetee.protocol.prompt import Message, Prompt, Sampling, ShardChoice, TemplateTokens

DEFAULT_MAX_TOKENS = 256
DEFAULT_DEADLINE_SECONDS = 300


@dataclass(frozen=True)
class RequestSpec:
    """A prompt with its sampling options and limits.

    Amounts are in wei, durations in seconds. None means: derived from the model and the escrow.
    """

    prompt: str = field(repr=False)
    system: str | None = field(default=None, repr=False)
    model: str | None = None
    """Number or name; None: the only one."""
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
    template: TemplateTokens | None = None
    """What the model's chat template adds; None: an entry is asked."""
    only_shards: tuple[int, ...] = ()
    """The only shards that may compute, entries included; empty: any."""
    avoid_shards: tuple[int, ...] = ()
    allowance_shard: int | None = None
    """The shard whose free allowance pays, for its host; None: the deposit pays."""

    def shard_choice(self) -> ShardChoice:
        """Which shards may compute. Raises `PromptInvalid`."""
        return ShardChoice(
            only=tuple(ShardId(each) for each in self.only_shards),
            avoid=tuple(ShardId(each) for each in self.avoid_shards),
        )

    def to_prompt(self) -> Prompt:
        """Build what is sealed. Raises `InvalidQuestion` if it is empty, and `PromptInvalid`."""
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
        messages = (*system, Message("user", self.prompt))
        return Prompt(messages, sampling, self.shard_choice())

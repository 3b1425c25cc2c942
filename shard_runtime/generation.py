"""An answer while it is made, and when it is done. It outlives the attempts at it: when a stage is
lost, the next attempt goes on where the last one stopped.
"""

import queue
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from shard_runtime.answer_text import AnswerText
from shard_runtime.frames import RunId
from shard_runtime.model.tokenizer import ModelTokenizer
from shard_runtime.sampling import Sampler
from teetee.answer import FinishReason
from teetee.errors import TeeTeeError
from teetee.identifiers import ShardId
from teetee.prompt import Sampling
from teetee.receipts import SignedReceipt


@dataclass(frozen=True, slots=True)
class PathChange:
    """A stage was lost while the answer was made, and the rest was made on another path."""

    position: int
    """How many positions were known then; all of them went through the new path."""
    lost: tuple[ShardId, ...]
    """To whom it is put down."""
    path: tuple[ShardId, ...]
    """The new one."""


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer, and what proves how it was made."""

    text: str = field(repr=False)
    token_ids: tuple[int, ...] = field(repr=False)
    """All that were sampled, the end-of-sequence token included."""
    finish_reason: FinishReason
    """`stop`: end-of-sequence token or stop string; `length`: max_tokens, or the context is full.
    """
    input_tokens: int
    output_tokens: int
    receipts: tuple[SignedReceipt, ...]
    """One per stage of the last path, in its order, for all positions; verified."""
    changes: tuple[PathChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over, one way or the other."""

    run: RunId
    outcome: Generation | TeeTeeError


@dataclass(frozen=True, slots=True)
class Suspicion:
    """No failure yet: these stages of an attempt do not answer."""

    run: RunId
    shard_ids: frozenset[ShardId]


Update = str | Ended | Suspicion
"""For who waits for the answer: a piece of text, or what became of an attempt."""


class Draft:
    """An answer under way. Made by its caller's thread, then touched by the entry's alone."""

    def __init__(
        self,
        *,
        prompt: Sequence[int],
        sampling: Sampling,
        tokenizer: ModelTokenizer,
        context_length: int,
    ) -> None:
        self.history = list(prompt)
        """Prompt and answer so far."""
        self.input_tokens = len(prompt)
        self.output_limit = min(sampling.max_tokens, context_length - len(prompt))
        self.finish_reason: FinishReason | None = None
        self.updates: queue.SimpleQueue[Update] = queue.SimpleQueue()
        self._sampler = Sampler(sampling)
        self._text = AnswerText(tokenizer, sampling.stop)
        self._ends = tokenizer.eos_token_ids

    @property
    def capacity(self) -> int:
        """Positions that an attempt may come to have. The last token is never fed."""
        return self.input_tokens + self.output_limit - 1

    @property
    def positions(self) -> int:
        """How many are known to be needed: all of the history, but for an answer's last token."""
        return len(self.history) - (1 if self.is_done else 0)

    @property
    def is_done(self) -> bool:
        return self.finish_reason is not None

    def choose(self, logits: torch.Tensor) -> None:
        """Add the token that (V,) logits give; sets `finish_reason` when it was the last."""
        index = len(self.history) - self.input_tokens
        token = self._sampler.choose(logits, index)
        self.history.append(token)
        if token in self._ends:
            self.finish_reason = "stop"
        else:
            self._tell(self._text.push(token))
            if self._text.stopped:
                self.finish_reason = "stop"
            elif index + 1 == self.output_limit:
                self.finish_reason = "length"
        if self.is_done:
            self._tell(self._text.finish())

    def generation(
        self, receipts: tuple[SignedReceipt, ...], changes: Sequence[PathChange]
    ) -> Generation:
        """The end."""
        assert self.finish_reason is not None
        answer = tuple(self.history[self.input_tokens :])
        return Generation(
            text=self._text.text,
            token_ids=answer,
            finish_reason=self.finish_reason,
            input_tokens=self.input_tokens,
            output_tokens=len(answer),
            receipts=receipts,
            changes=tuple(changes),
        )

    def _tell(self, piece: str) -> None:
        if piece:
            self.updates.put(piece)

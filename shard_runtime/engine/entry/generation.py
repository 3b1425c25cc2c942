# SPDX-License-Identifier: Apache-2.0
"""One request as its entry sees it: prompt and answer so far, whatever paths compute it.

Touched by one thread at a time: the entry's computing one while a run of it is open, the caller's
before, between and after.
"""

from dataclasses import dataclass, field

import torch

from shard_runtime.engine.entry.answer_text import AnswerText
from shard_runtime.engine.entry.job import GenerationJob
from shard_runtime.engine.entry.sampling import Sampler
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from teetee.protocol.answer import FinishReason
from teetee.protocol.identifiers import ShardId
from teetee.protocol.receipts import SignedReceipt


@dataclass(frozen=True, slots=True)
class PathChange:
    """The request went on over another path."""

    position: int
    """So many positions of prompt and answer were known, and went through the new path again."""
    from_shards: tuple[ShardId, ...]
    """Those that the path lost."""
    to_shards: tuple[ShardId, ...]
    """Those that came instead."""


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
    """One per stage of the last path, in path order, verified; each covers all positions."""
    changes: tuple[PathChange, ...] = ()
    """Empty when the first path held."""


class EntryRequest:
    """The token history, and the choice of what follows. Knows no path."""

    def __init__(
        self, job: GenerationJob, *, tokenizer: ModelTokenizer, context_length: int
    ) -> None:
        self.history = list(job.token_ids)
        """Prompt and answer so far."""
        self.input_tokens = len(job.token_ids)
        self.output_limit = min(job.sampling.max_tokens, context_length - self.input_tokens)
        self.finish_reason: FinishReason | None = None
        self.changes: list[PathChange] = []
        self._path: tuple[ShardId, ...] = ()
        self._sampler = Sampler(job.sampling)
        self._text = AnswerText(tokenizer, job.sampling.stop)
        self._ends = tokenizer.eos_token_ids

    @property
    def capacity(self) -> int:
        """The last token is never fed back."""
        return self.input_tokens + self.output_limit - 1

    @property
    def is_finishing(self) -> bool:
        """All tokens are there; at most receipts are missing."""
        return self.finish_reason is not None

    @property
    def end(self) -> int:
        """How many positions have to go round as things stand."""
        return len(self.history) - (1 if self.is_finishing else 0)

    def take_path(self, path: tuple[ShardId, ...]) -> None:
        """From now on `path` computes it."""
        lost = tuple(shard_id for shard_id in self._path if shard_id not in path)
        came = tuple(shard_id for shard_id in path if shard_id not in self._path)
        if lost:
            self.changes.append(PathChange(len(self.history), lost, came))
        self._path = path

    def choose(self, logits: torch.Tensor) -> str:
        """Add the next token out of (V,) scores; gives the text that it makes certain.

        Sets `finish_reason` when it was the last.
        """
        index = len(self.history) - self.input_tokens
        token = self._sampler.choose(logits, index)
        self.history.append(token)
        piece = ""
        if token in self._ends:
            self.finish_reason = "stop"
        else:
            piece = self._text.push(token)
            if self._text.stopped:
                self.finish_reason = "stop"
            elif index + 1 == self.output_limit:
                self.finish_reason = "length"
        return piece + self._text.finish() if self.is_finishing else piece

    def generation(self, receipts: tuple[SignedReceipt, ...]) -> Generation:
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
            changes=tuple(self.changes),
        )

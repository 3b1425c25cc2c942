# SPDX-License-Identifier: Apache-2.0
"""One request as its entry sees it: prompt and answer so far, on whichever paths they are computed.

Used by one thread at a time: the computing thread while one of its runs is open, otherwise the
caller's.
"""

import math
from dataclasses import dataclass, field

import torch

from shard_runtime.engine.entry.answer_text import AnswerText
from shard_runtime.engine.entry.job import GenerationJob
from shard_runtime.engine.entry.sampling import Sampler
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from teetee.protocol.answer import AnswerSize, FinishReason
from teetee.protocol.identifiers import ShardId
from teetee.protocol.receipts import SignedReceipt


@dataclass(frozen=True, slots=True)
class PathChange:
    """The request continued on another path."""

    position: int
    """How many positions of prompt and answer were known; the new path computed them again."""
    from_shards: tuple[ShardId, ...]
    """Shards that left the path."""
    to_shards: tuple[ShardId, ...]
    """Shards that replaced them."""


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer, and the receipts for it."""

    text: str = field(repr=False)
    token_ids: tuple[int, ...] = field(repr=False)
    """All sampled tokens, including the end-of-sequence token."""
    finish_reason: FinishReason
    """`stop`: end-of-sequence token or stop string; `length`: max_tokens, a full context, a full
    answer, or no time left."""
    input_tokens: int
    output_tokens: int
    receipts: tuple[SignedReceipt, ...]
    """One per stage of the last path, in path order, verified; each covers all positions."""
    changes: tuple[PathChange, ...] = ()
    """Empty when the first path held."""
    earlier_shards: tuple[ShardId, ...] = ()
    """Shards of runs that broke, if they are not on the last path: they may have had hidden states
    of this request."""


class EntryRequest:
    """The token history and the choice of the next token."""

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
        self._involved: dict[ShardId, None] = dict.fromkeys(job.earlier_shards)
        """The shards of all runs, in order."""
        self._is_time_over = False
        self._min_tokens = job.min_tokens
        self._sampler = Sampler(job.sampling)
        self._text = AnswerText(tokenizer, job.sampling.stop)
        self._ends = tokenizer.eos_token_ids
        self._size = AnswerSize()
        self._max_bytes = math.inf if job.max_answer_bytes is None else job.max_answer_bytes
        # A next token, text and id, must fit whatever it is: it is chosen before its size is known.
        self._next_bytes = tokenizer.max_token_bytes + len(f"{1 << 32},")

    @property
    def capacity(self) -> int:
        """Positions that the cache must hold; the last token is never computed."""
        return self.input_tokens + self.output_limit - 1

    @property
    def is_finishing(self) -> bool:
        """Whether all tokens are chosen, so that only receipts may be missing."""
        return self.finish_reason is not None

    @property
    def end(self) -> int:
        """How many of the known positions have to complete the ring."""
        return len(self.history) - (1 if self.is_finishing else 0)

    def end_for_time(self) -> None:
        """Let the answer end with `length` although more would fit, once it has the least tokens
        that its job asks for. Any thread may call it.
        """
        self._is_time_over = True

    def set_path(self, path: tuple[ShardId, ...]) -> None:
        """Note that `path` computes it from now on."""
        lost = tuple(shard_id for shard_id in self._path if shard_id not in path)
        added = tuple(shard_id for shard_id in path if shard_id not in self._path)
        if lost:
            self.changes.append(PathChange(len(self.history), lost, added))
        self._path = path
        self._involved |= dict.fromkeys(path)

    def choose(self, logits: torch.Tensor) -> str:
        """Add the next token, chosen from (V,) scores; returns the text that it makes certain.

        Sets `finish_reason` if it is the last one.
        """
        index = len(self.history) - self.input_tokens
        token = self._sampler.choose(logits, index)
        self.history.append(token)
        piece = ""
        if token in self._ends:
            self.finish_reason = "stop"
        else:
            piece = self._text.push(token)
            if self._text.is_stopped:
                self.finish_reason = "stop"
            elif (
                index + 1 == self.output_limit
                or (self._is_time_over and index + 1 >= self._min_tokens)
                or self._is_full(token, piece)
            ):
                self.finish_reason = "length"
        return piece + self._text.finish() if self.is_finishing else piece

    def _is_full(self, token: int, piece: str) -> bool:
        """Whether the answer may have no room for another token."""
        self._size.add_token(token)
        self._size.add_text(piece)
        size = self._size.bytes + self._text.unpublished_bytes
        return size + self._next_bytes > self._max_bytes

    def generation(self, receipts: tuple[SignedReceipt, ...]) -> Generation:
        """The whole answer."""
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
            earlier_shards=tuple(each for each in self._involved if each not in self._path),
        )

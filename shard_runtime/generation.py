"""One run as its entry sees it: what is fed, what is on its way round the ring, what came out."""

import queue
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from shard_runtime.answer_text import AnswerText
from shard_runtime.cache import KvCache
from shard_runtime.frames import Open, Place, RunId
from shard_runtime.model.tokenizer import ModelTokenizer
from shard_runtime.receipts import RunBinding
from shard_runtime.sampling import Sampler
from teetee.answer import FinishReason
from teetee.commitments import RunningCommitment, encode_token_ids
from teetee.identifiers import ShardId
from teetee.prompt import Sampling
from teetee.receipts import SignedReceipt


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
    """One per stage, in path order, verified."""


class EntryRun:
    """The state of one run. Made by the caller's thread, then touched by the entry's alone."""

    def __init__(
        self,
        *,
        prompt: Sequence[int],
        binding: RunBinding,
        salts: Sequence[bytes],
        sampling: Sampling,
        tokenizer: ModelTokenizer,
        context_length: int,
    ) -> None:
        self.id = RunId(secrets.token_bytes(16))
        self.binding = binding
        self.history = list(prompt)
        """Prompt and answer so far."""
        self.input_tokens = len(prompt)
        self.output_limit = min(sampling.max_tokens, context_length - len(prompt))
        self.fed = 0
        """Positions that went through our layers."""
        self.returned = 0
        """Positions that came back from the last stage."""
        self.sequence_out = 1
        self.sequence_in = 1
        self.cache: KvCache | None = None
        self.finish_reason: FinishReason | None = None
        self.receipt: SignedReceipt | None = None
        self.progress_at = time.monotonic()
        self.updates: queue.SimpleQueue[str | Generation | Exception] = queue.SimpleQueue()
        """For the caller: pieces of text, then the end."""
        self._salts = tuple(salts)
        self._tokens = RunningCommitment(salts[0])
        self._sent = RunningCommitment(salts[1])
        # On a path of one stage, what we send is what comes back.
        self._taken = RunningCommitment(salts[-1]) if self.stages > 1 else self._sent
        self._sampler = Sampler(sampling)
        self._text = AnswerText(tokenizer, sampling.stop)
        self._ends = tokenizer.eos_token_ids

    @property
    def stages(self) -> int:
        return len(self.binding.peers)

    @property
    def path(self) -> tuple[ShardId, ...]:
        return tuple(peer.shard_id for peer in self.binding.peers)

    @property
    def capacity(self) -> int:
        """The last token is never fed back."""
        return self.input_tokens + self.output_limit - 1

    @property
    def wants_token(self) -> bool:
        """All that is known went round: the last row decides what comes next."""
        return self.returned == len(self.history)

    @property
    def is_finishing(self) -> bool:
        return self.finish_reason is not None

    def may_feed(self, window: int) -> bool:
        """Whether there are tokens to feed and fewer than `window` positions are on their way."""
        waiting = self.fed < len(self.history) and not self.is_finishing
        return waiting and self.fed - self.returned < window

    def opening(self) -> Open:
        """The frame that opens the run at the next stage."""
        return Open(
            place=Place(self.id, 1, 0, 0),
            request_id=self.binding.request_id,
            model_id=self.binding.model_id,
            capacity=self.capacity,
            path=self.path,
            salts=self._salts[1:],
        )

    def feed(self, limit: int) -> tuple[int, ...]:
        """The next tokens, at most `limit`; they count as fed, and into hop 0's commitment."""
        tokens = tuple(self.history[self.fed : self.fed + limit])
        self.fed += len(tokens)
        self._tokens.update(encode_token_ids(tokens))
        return tokens

    def leave(self, rows: bytes) -> None:
        """What goes on to the next stage."""
        self._sent.update(rows)
        self.progress_at = time.monotonic()

    def take(self, rows: int, data: bytes) -> None:
        """What came back from the last stage (from ourselves, on a path of one)."""
        if self._taken is not self._sent:
            self._taken.update(data)
        self.returned += rows
        self.progress_at = time.monotonic()

    def choose(self, logits: torch.Tensor) -> None:
        """Add the next token; sets `finish_reason` when it was the last."""
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
        if self.is_finishing:
            self._tell(self._text.finish())

    def commitments(self) -> tuple[bytes, bytes, bytes]:
        """Of hop 0, hop 1 and the last hop."""
        return self._tokens.digest(), self._sent.digest(), self._taken.digest()

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
        )

    def _tell(self, piece: str) -> None:
        if piece:
            self.updates.put(piece)

# SPDX-License-Identifier: Apache-2.0
"""The input and the result of one inference."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from teetee.protocol.answer import FinishReason
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.prompt import Sampling
from teetee.protocol.receipts import SignedReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceJob:
    """A prompt, its limits, and what its receipts are bound to."""

    request_id: RequestId
    """The id that every receipt names: an on-chain request's number, or a hash."""
    salt_of: Callable[[int], bytes] = field(repr=False)
    """The 32 bytes that salt the commitments of a hop."""
    token_ids: Sequence[int] = field(repr=False)
    """The prompt; see `Inference.encode`."""
    sampling: Sampling = field(repr=False)
    """With a seed, so that a repeated job gives the same text."""
    max_input_tokens: int
    max_output_tokens: int
    """An upper bound on `sampling.max_tokens`."""
    max_answer_bytes: int | None = None
    """The answer ends with `length` before its JSON exceeds this."""
    expires_at: int
    """Chain time in Unix seconds. Shards whose attestation ends earlier are used last. It does not
    end the job: `is_cancelled` does.
    """
    permits: Callable[[ShardId], bool] = lambda _: True
    """Whether the requester lets that shard compute, besides the entry."""
    names_shards: bool = False
    """Whether the requester named shards, to use or to avoid."""
    is_cancelled: Callable[[], bool]
    """Called about ten times a second, in the thread that runs the job."""
    seconds_left: Callable[[], float] = lambda: math.inf
    """Until `is_cancelled` for lack of time. The answer ends with `length` shortly before, so that
    what was streamed can be settled. Called as often."""


class Completion(Protocol):
    """A finished answer, with the receipts that prove how it was computed."""

    @property
    def text(self) -> str:
        """The pieces that `on_text` received, joined."""

    @property
    def token_ids(self) -> Sequence[int]:
        """The sampled tokens, a final end-of-sequence token included."""

    @property
    def finish_reason(self) -> FinishReason:
        """`stop`, or `length` if a limit ended the answer."""

    @property
    def input_tokens(self) -> int:
        """Tokens of the prompt."""

    @property
    def output_tokens(self) -> int:
        """Tokens of the answer: as many as `token_ids`."""

    @property
    def receipts(self) -> Sequence[SignedReceipt]:
        """One per stage, verified, in path order."""

    @property
    def earlier_shards(self) -> Sequence[ShardId]:
        """Shards of runs that broke, if they are not on the last path."""

# SPDX-License-Identifier: Apache-2.0
"""What a caller of `Entry.generate` asks for: the prompt, how to answer it, and until when."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shard_runtime.engine.entry.path_search import ChoosePath, PathFailure
from shard_runtime.errors import DeadlinePassed, RunCancelled
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.prompt import Sampling

POLL_SECONDS = 0.1
"""How often a waiting caller checks whether its job has ended."""

SaltOf = Callable[[int], bytes]
"""(hop) → the 32 bytes that its commitments are salted with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationJob:
    """One prompt to answer. All functions are called in the thread that called `generate`."""

    token_ids: Sequence[int] = field(repr=False)
    sampling: Sampling
    choose_path: ChoosePath
    """Called at first, and again whenever a path breaks."""
    request_id: RequestId
    salt_of: SaltOf
    max_answer_bytes: int | None = None
    """The answer ends with `length` before its JSON (teetee.protocol.answer) exceeds this."""
    on_text: Callable[[str], None] | None = None
    """Gets each piece of the answer once."""
    on_failure: Callable[[PathFailure], None] | None = None
    """Gets the error of each path that broke."""
    is_cancelled: Callable[[], bool] | None = None
    """Called about ten times a second."""
    is_time_to_end: Callable[[], bool] | None = None
    """Called as often. Once true, the answer ends with `length` at its next token, if it has
    `min_tokens` then; the stages sign their receipts as for any other."""
    min_tokens: int = 1
    """Fewer do not end the answer for lack of time."""
    deadline: float | None = None
    """On the clock of `time.monotonic`. With one, the job waits for a path while there is none;
    without one, it fails."""
    max_pathless_seconds: float = math.inf
    """With a deadline: how long after its last progress it waits for a path before it fails."""
    earlier_shards: Sequence[ShardId] = ()
    """Shards of earlier runs of this request, which the answer must name."""

    @property
    def seconds_for_a_path(self) -> float:
        """How long the job waits while there is no path."""
        return 0.0 if self.deadline is None else self.max_pathless_seconds

    def check_ended(self, waiting_for: str, last_failure: Exception | None = None) -> None:
        """Raises `RunCancelled`, `DeadlinePassed`."""
        if self.is_cancelled is not None and self.is_cancelled():
            raise RunCancelled
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise DeadlinePassed(waiting_for) from last_failure

# SPDX-License-Identifier: Apache-2.0
"""The port through which a stage asks whether it may compute for a request.

The runtime knows no chain: the measured code that watches one implements this port. A run waits
with its rows uncomputed until the verdict arrives.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from teetee.protocol.identifiers import ModelId, RequestId, ShardId


@dataclass(frozen=True, slots=True)
class RunTerms:
    """What an entry asks a stage to compute."""

    request_id: RequestId
    model_id: ModelId
    entry: ShardId
    """The path's first shard."""
    sender: ShardId
    """The stage before, which passed OPEN on. That the entry opened the run is its word."""
    capacity: int
    """Positions of prompt and answer that the run may have."""


OnVerdict = Callable[[bool], None]
"""Whether the stage may compute. Any thread may call it, also more than once: the last call counts,
and False ends the run."""


class RequestGuard(Protocol):
    """Called by the computing thread: it must answer from memory."""

    def check(self, terms: RunTerms, on_verdict: OnVerdict) -> bool | None:
        """Whether a run on these terms may be computed; None: `on_verdict` will tell. False: the
        guard does not count the run; otherwise it does, until `run_ended`.

        Raises `TooManyRuns` if the entry, or the request, has as many by that sender as it may.
        """
        ...

    def run_ended(self, terms: RunTerms, positions: int) -> None:
        """A run that was counted ended, after so many computed positions."""
        ...


class AnyRequest:
    """Refuses nothing: for tests, benchmarks and checks of a model, where no request is paid."""

    def check(self, terms: RunTerms, on_verdict: OnVerdict) -> bool | None:
        return True

    def run_ended(self, terms: RunTerms, positions: int) -> None:
        pass

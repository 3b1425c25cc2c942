# SPDX-License-Identifier: Apache-2.0
"""Asks the guard for each opened run, and lets its rows be computed once the guard admits it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.engine.stage.request_guard import RequestGuard
from shard_runtime.engine.stage.run import StageRun
from shard_runtime.engine.stage.runs import StageRuns
from shard_runtime.errors import CacheFull, TooManyRuns
from shard_runtime.links.frames import RunId


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """The guard's verdict on a run."""

    run: RunId
    is_admitted: bool


class RunAdmission:
    """For the computing thread; verdicts arrive through its inbox."""

    def __init__(
        self,
        guard: RequestGuard,
        runs: StageRuns,
        scheduler: Scheduler,
        put: Callable[[RunVerdict], None],
        max_waiting_rows: int,
    ) -> None:
        """max_waiting_rows: of all runs that wait for their verdict."""
        self._guard = guard
        self._runs = runs
        self._scheduler = scheduler
        self._put = put
        self._max_waiting_rows = max_waiting_rows

    def ask(self, run: StageRun) -> bool:
        """Ask the guard for a run that was just opened. Returns whether the run is still open.

        Raises `TooManyRuns`, `CacheFull`.
        """
        verdict = self._guard.check(
            run.terms, lambda is_admitted: self._put(RunVerdict(run.id, is_admitted))
        )
        run.is_counted = verdict is not False
        if verdict is False:
            self._runs.abort_refused(run)
            return False
        if verdict:
            self._runs.admit(run)
        return True

    def apply(self, verdict: RunVerdict) -> None:
        """A verdict arrived."""
        run = self._runs.find(verdict.run)
        if run is None:
            return
        if not verdict.is_admitted:
            self._runs.abort_refused(run)
        elif not run.is_admitted:
            try:
                self._runs.admit(run)
            except (TooManyRuns, CacheFull) as error:
                self._runs.abort_with_error(run, error)
                return
            if run.positions_received:
                self._scheduler.add(run.id, run.positions_received)

    def limit_waiting_rows(self) -> None:
        """Keep the rows that wait for verdicts within their limit: abort the longest run of the
        sender that has the most of them.
        """
        undecided = [run for run in self._runs if not run.is_admitted]
        of_senders: Counter[bytes] = Counter()
        for run in undecided:
            of_senders[run.previous_tls] += run.positions_received
        if of_senders.total() > self._max_waiting_rows:
            ((crowded, _),) = of_senders.most_common(1)
            longest = max(
                (run for run in undecided if run.previous_tls == crowded),
                key=lambda run: run.positions_received,
            )
            self._runs.abort_with_error(longest, TooManyRuns(len(undecided)))

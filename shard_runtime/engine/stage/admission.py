# SPDX-License-Identifier: Apache-2.0
"""Asks the guard for each opened run, and lets its rows be computed once the guard admits it."""

from collections.abc import Callable
from dataclasses import dataclass

from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.engine.stage.request_guard import RequestGuard
from shard_runtime.engine.stage.run import StageRun
from shard_runtime.engine.stage.runs import StageRuns
from shard_runtime.errors import TooManyRuns
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
        """Ask the guard for a run that was just opened. Returns whether the run is still open."""
        verdict = self._guard.check(
            run.terms, lambda is_admitted: self._put(RunVerdict(run.id, is_admitted))
        )
        run.is_counted = verdict is not False
        if verdict is False:
            self._runs.abort_refused(run)
            return False
        run.is_admitted = verdict is True
        return True

    def apply(self, verdict: RunVerdict) -> None:
        """A verdict arrived."""
        run = self._runs.find(verdict.run)
        if run is None:
            return
        if not verdict.is_admitted:
            self._runs.abort_refused(run)
        elif not run.is_admitted:
            run.is_admitted = True
            if run.positions_received:
                self._scheduler.add(run.id, run.positions_received)

    def check_waiting_rows(self) -> None:
        """Raises `TooManyRuns` if more rows wait for verdicts than may."""
        waiting = sum(run.positions_received for run in self._runs if not run.is_admitted)
        if waiting > self._max_waiting_rows:
            raise TooManyRuns(len(self._runs))

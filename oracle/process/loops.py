# SPDX-License-Identifier: Apache-2.0
"""Background tasks that repeat until the process stops. A failure is logged and retried; it never
ends the process.
"""

import threading
from collections.abc import Callable, Iterable

from structlog.typing import FilteringBoundLogger

from teetee.errors import Retryable

MAX_BACKOFF_SECONDS = 60.0
Task = tuple[str, Callable[[], object], float]
"""Name, work, and the seconds between two calls."""
_VIEWS = frozenset({"heads", "peers", "registry", "watch"})
_MAX_VIEW_BACKOFF_SECONDS = 5.0
_VIEW_SHARE = 0.25
"""Of the decline margin."""


def max_backoff_seconds(task: str, decline_margin_seconds: float) -> float:
    """The longest pause after failures of that task. Views of the chain are read again soon: on an
    old one nothing is served, and a request is not seen whose decline is due.
    """
    if task not in _VIEWS:
        return MAX_BACKOFF_SECONDS
    return min(_MAX_VIEW_BACKOFF_SECONDS, _VIEW_SHARE * decline_margin_seconds)


class Loop:
    """A thread that calls `work` every `seconds`; the pause doubles after each failure, up to
    `max_backoff_seconds`.
    """

    def __init__(
        self,
        task: str,
        work: Callable[[], object],
        *,
        seconds: float,
        stop: threading.Event,
        log: FilteringBoundLogger,
        max_backoff_seconds: float = MAX_BACKOFF_SECONDS,
    ) -> None:
        self._max_backoff_seconds = max(max_backoff_seconds, seconds)
        self._task = task
        self._work = work
        self._seconds = seconds
        self._stop = stop
        self._log = log
        self._thread = threading.Thread(target=self._run, name=f"oracle-{task}", daemon=True)

    def start(self) -> None:
        """Makes the first call at once."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Once `stop` is set: waits at most `seconds` for the last call to end."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            pause = self._run_once(pause)

    def _run_once(self, pause: float) -> float:
        """Returns the next pause."""
        backoff = min(max(pause, self._seconds) * 2, self._max_backoff_seconds)
        try:
            self._work()
        except Retryable as error:
            self._log.warning("task failed", task=self._task, error=error, seconds=backoff)
        except Exception as error:  # noqa: BLE001 - the task's boundary: logged and retried
            self._log.error("task failed", task=self._task, error=error, seconds=backoff)
        else:
            return self._seconds
        return backoff


def make_loops(
    tasks: Iterable[Task],
    *,
    watched: Callable[[str, Callable[[], object]], Callable[[], object]],
    stop: threading.Event,
    log: FilteringBoundLogger,
    decline_margin_seconds: float,
) -> list[Loop]:
    """One loop for each task, with the pause after failures that its kind of task has."""
    return [
        Loop(
            task,
            watched(task, work),
            seconds=seconds,
            stop=stop,
            log=log,
            max_backoff_seconds=max_backoff_seconds(task, decline_margin_seconds),
        )
        for task, work, seconds in tasks
    ]

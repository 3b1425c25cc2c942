# SPDX-License-Identifier: Apache-2.0
"""How the background tasks do: when each last succeeded, and whether one of them hangs."""

import time
from collections.abc import Callable, Iterator

from oracle.operations.metrics import Metrics

_OF_PROCESS = frozenset({"heads", "peers", "registry", "renewal", "collateral", "funds", "nodes"})
"""They run as long as the process; the others belong to its service."""
_ESSENTIAL = frozenset({"heads", "peers", "registry", "watch", "dispatch", "settle", "decline"})
"""Without one of these, nothing is served; a restart helps if it hangs."""
STUCK_SECONDS = 300.0
"""A call of a task that lasts longer hangs: every call of the chain has a timeout."""


class TaskWatch:
    """Thread-safe: each task writes its own entries."""

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._succeeded_at: dict[str, float] = {}
        self._running_since: dict[str, float] = {}
        metrics.set_source("tasks", self._expose)

    def watched(self, task: str, work: Callable[[], object]) -> Callable[[], None]:
        """The same work, watched. The task's time starts to count now."""
        self._succeeded_at[task] = self._clock()

        def run() -> None:
            self._running_since[task] = self._clock()
            try:
                work()
            except Exception:
                self._metrics.increase("task_failures", task=_kind(task))
                raise
            finally:
                self._running_since.pop(task, None)
            if task in self._succeeded_at:  # it may be forgotten meanwhile
                self._succeeded_at[task] = self._clock()

        return run

    def forget_service(self) -> None:
        """The service's tasks have ended."""
        for task in self._succeeded_at.keys() - _OF_PROCESS:
            self._succeeded_at.pop(task, None)
            self._running_since.pop(task, None)
            self._metrics.set("task_age_seconds", 0, task=_kind(task))

    def check(self) -> Iterator[str]:
        """A reason if an essential task hangs."""
        now = self._clock()
        running = list(self._running_since.items())
        if any(
            now - since > STUCK_SECONDS and _kind(task) in _ESSENTIAL for task, since in running
        ):
            yield "task_stuck"

    def _expose(self) -> None:
        ages: dict[str, float] = {}
        for task, at in list(self._succeeded_at.items()):
            kind, age = _kind(task), self._clock() - at
            ages[kind] = max(age, ages.get(kind, 0.0))
        for kind, age in ages.items():
            self._metrics.set("task_age_seconds", age, task=kind)


def _kind(task: str) -> str:
    """Several threads can have the same task: answer-0, answer-1."""
    return task.partition("-")[0]

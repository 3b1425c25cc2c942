# SPDX-License-Identifier: Apache-2.0
"""What the parts of the process report to: metrics, health and tasks, one of each."""

from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from oracle.operations.health import Check, Health
from oracle.operations.metrics import Metrics
from oracle.operations.task_watch import TaskWatch


class OperatorView:
    """One per process; exists before anything else, so that start-up can be watched too."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.metrics = Metrics(log)
        self.health = Health(self.metrics)
        self.tasks = TaskWatch(self.metrics)
        self.health.set_check("tasks", self.tasks.check)

    def attach(self, key: str, *, source: Callable[[], None], check: Check | None = None) -> None:
        """Adds a part that can go again."""
        self.metrics.set_source(key, source)
        if check is not None:
            self.health.set_check(key, check)

    def detach(self, key: str) -> None:
        """Removes it, with the tasks of a service."""
        self.metrics.remove_source(key)
        self.health.remove_check(key)
        self.tasks.forget_service()

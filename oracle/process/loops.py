# SPDX-License-Identifier: Apache-2.0
"""Tasks that repeat until the process stops. None of them may end it: a fault is logged, and tried
again later."""

import threading
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from teetee.errors import Retryable

LONGEST_PAUSE = 60.0


class Loop:
    """One thread which calls `work` every `seconds`; slower after each fault, up to a minute."""

    def __init__(
        self,
        task: str,
        work: Callable[[], object],
        *,
        seconds: float,
        stop: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        self._task = task
        self._work = work
        self._seconds = seconds
        self._stop = stop
        self._log = log
        self._thread = threading.Thread(target=self._run, name=f"oracle-{task}", daemon=True)

    def start(self) -> None:
        """Begins with a first call at once."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """After `stop` was set: waits for the last call to end."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            pause = self._turn(pause)

    def _turn(self, pause: float) -> float:
        longer = min(max(pause, self._seconds) * 2, max(LONGEST_PAUSE, self._seconds))
        try:
            self._work()
        except Retryable as error:
            self._log.warning("task failed", task=self._task, error=error, seconds=longer)
        except Exception as error:  # noqa: BLE001 - the task's boundary: logged, tried again
            self._log.error("task failed", task=self._task, error=error, seconds=longer)
        else:
            return self._seconds
        return longer

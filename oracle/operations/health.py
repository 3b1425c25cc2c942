# SPDX-License-Identifier: Apache-2.0
"""Whether the process is live (worth keeping), ready (worth asking) or draining, and why not.

Live and ready answer different questions. A process without ether, path or a fresh block is not
ready, and a restart would not help it; one whose task hangs is not live.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from oracle.operations.metric_table import NOT_READY
from oracle.operations.metrics import Metrics

Check = Callable[[], Iterable[str]]
"""Reasons of `NOT_READY` that hold at present."""

_NOT_LIVE = frozenset({"task_stuck", "not_listening"})


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`/health`."""

    live: bool
    ready: bool
    draining: bool
    not_ready: tuple[str, ...]
    shard_id: int | None

    def to_json(self) -> dict[str, Any]:
        """Public facts only."""
        return {
            "live": self.live,
            "ready": self.ready,
            "draining": self.draining,
            "notReady": list(self.not_ready),
            "shardId": self.shard_id,
        }


class Health:
    """Thread-safe. Not ready until `start_up_ended`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._checks: dict[str, Check] = {}
        self._has_started = threading.Event()
        self._is_draining = threading.Event()
        self.shard_id: int | None = None
        """The shard that it serves as."""
        metrics.set_source("health", self._expose)

    def set_check(self, key: str, check: Check) -> None:
        """`check` is called at each report; a failure of it counts as the reason `task_stuck`. It
        replaces the check with the same key.
        """
        self._checks[key] = check

    def remove_check(self, key: str) -> None:
        """If there is one."""
        self._checks.pop(key, None)

    def start_up_ended(self) -> None:
        """From now on, the checks decide."""
        self._has_started.set()

    def drain(self) -> None:
        """The process was asked to stop: not ready at once. Safe in a signal handler."""
        self._is_draining.set()

    def report(self) -> HealthReport:
        """The present state."""
        reasons = self._reasons()
        return HealthReport(
            live=not reasons & _NOT_LIVE,
            ready=not reasons,
            draining=self._is_draining.is_set(),
            not_ready=tuple(reason for reason in NOT_READY if reason in reasons),
            shard_id=self.shard_id,
        )

    def _reasons(self) -> frozenset[str]:
        reasons = {"draining"} if self._is_draining.is_set() else set()
        if not self._has_started.is_set():
            return frozenset(reasons | {"starting"})
        for check in list(self._checks.values()):
            try:
                reasons.update(check())
            except Exception:  # noqa: BLE001 - a check that fails must not look healthy
                reasons.add("task_stuck")
        return frozenset(reasons)

    def _expose(self) -> None:
        report = self.report()
        for name, value in (
            ("live", report.live),
            ("ready", report.ready),
            ("draining", report.draining),
        ):
            self._metrics.set(name, int(value))
        for reason in NOT_READY:
            self._metrics.set("not_ready", int(reason in report.not_ready), reason=reason)

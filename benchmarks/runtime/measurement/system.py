# SPDX-License-Identifier: Apache-2.0
"""The port of a system under test: it can be started, then sampled with any number of streams."""

from contextlib import AbstractContextManager
from typing import Protocol

from benchmarks.runtime.measurement.sample import Sample


class RunningSystem(Protocol):
    """A started system."""

    @property
    def note(self) -> str | None:
        """A remark for readers of its figures, if any."""
        ...

    def sample(self, streams: int) -> Sample:
        """Runs the workload once. Raises `BenchmarkError`, `TeeTeeError`."""
        ...


class System(Protocol):
    """A system under test."""

    @property
    def name(self) -> str:
        """The key in the results, and the label."""
        ...

    @property
    def unavailable_reason(self) -> str | None:
        """Why it cannot be measured here; None if it can."""
        ...

    def start(self) -> AbstractContextManager[RunningSystem]:
        """Runs the system for the duration of a `with` block."""
        ...

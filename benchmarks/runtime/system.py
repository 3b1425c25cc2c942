# SPDX-License-Identifier: Apache-2.0
"""What is measured: a system that can be opened, and then asked with some number of streams."""

from contextlib import AbstractContextManager
from typing import Protocol

from benchmarks.runtime.sample import Sample


class Running(Protocol):
    """A system that has been started."""

    @property
    def note(self) -> str | None:
        """What a reader of its figures has to know besides; None: nothing."""
        ...

    def sample(self, streams: int) -> Sample:
        """Ask once. Raises `BenchmarkError`, `TeeTeeError`."""
        ...


class System(Protocol):
    """One of those that are compared."""

    @property
    def name(self) -> str:
        """A key of the results, and a label."""
        ...

    @property
    def missing(self) -> str | None:
        """Why it cannot be measured here; None if it can."""
        ...

    def open(self) -> AbstractContextManager[Running]:
        """Start it."""
        ...

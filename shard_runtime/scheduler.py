"""Which rows an entry computes next. Pure: no clock, no links, no tensors.

All stages are to work at the same time, so the runs that decode are spread over as many batches as
their longest path has stages: while one batch is at a later stage, the next is computed here. A
prompt goes along in chunks, so that it neither waits for decoding runs nor makes them wait long.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Runnable(Protocol):
    """What has to be known of a run."""

    @property
    def stages(self) -> int:
        """Of its path."""

    @property
    def waiting(self) -> int:
        """Positions that could be fed."""

    @property
    def under_way(self) -> int:
        """Positions that have not come back."""

    @property
    def is_decoding(self) -> bool:
        """Whether all that waits is one new token."""


_Run = TypeVar("_Run", bound=Runnable)


@dataclass(frozen=True, slots=True)
class Share(Generic[_Run]):
    """How many rows of a run are in a batch."""

    run: _Run
    rows: int


class Scheduler(Generic[_Run]):
    """Takes turns: who was in a batch goes to the end of its line."""

    def __init__(self, *, chunk: int, window: int) -> None:
        """chunk: rows of prompts in one batch. window: rows of one prompt that may be under way,
        which bounds what waits at every stage.
        """
        self._chunk = chunk
        self._window = window
        self._line: deque[_Run] = deque()

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[_Run]:
        return iter(tuple(self._line))

    def add(self, run: _Run) -> None:
        self._line.append(run)

    def remove(self, run: _Run) -> None:
        """Nothing, if it is not there."""
        if run in self._line:
            self._line.remove(run)

    def next(self) -> tuple[Share[_Run], ...]:
        """The next batch, empty when nothing can be computed now."""
        batch = [*self._decoding(), *self._prompts()]
        for share in batch:
            self._line.remove(share.run)
            self._line.append(share.run)
        return tuple(batch)

    def _decoding(self) -> Iterable[Share[_Run]]:
        """An even part of all runs that are beyond their prompt, whether they wait or are on their
        way.
        """
        beyond = [run for run in self._line if run.waiting + run.under_way <= 1]
        if not beyond:
            return []
        stages = max(run.stages for run in beyond)
        most = -(-len(beyond) // stages)
        waiting = [run for run in beyond if run.is_decoding]
        return [Share(run, 1) for run in waiting[:most]]

    def _prompts(self) -> Iterable[Share[_Run]]:
        room, shares = self._chunk, []
        for run in self._line:
            if room and not run.is_decoding:
                rows = min(run.waiting, room, self._window - run.under_way)
                if rows > 0:
                    shares.append(Share(run, rows))
                    room -= rows
        return shares

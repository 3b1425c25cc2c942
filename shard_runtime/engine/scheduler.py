# SPDX-License-Identifier: Apache-2.0
"""Which rows of which runs the next step computes. Pure: no clock, no socket, no tensor.

A run waits either for one row (its next token) or for several (a prompt, or a history that is
replayed). Both stand in line, first come, first served; a prompt that is not through after its
chunk stands at the end again. Runs over one path share a lane, and so many positions of prompts at
most are on their way in it: a path that does not move holds up its own runs only. What is promised,
whatever comes:

1. A step has at most `rows` rows, at most `chunk` of them of prompts.
2. While tokens wait, or a prompt whose lane has room, a step is not empty.
3. Prompts never take all of a step, and tokens leave `chunk` rows to prompts: neither starves.
4. In each line nobody is served twice while another waits whose lane has room.
"""

from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass

from shard_runtime.links.frames import RunId


@dataclass(frozen=True, slots=True)
class Share:
    """What one run gets of a step."""

    run: RunId
    rows: int


class Scheduler:
    """The two lines. For one thread."""

    def __init__(self, *, rows: int, chunk: int) -> None:
        assert 1 <= chunk < rows
        self._rows = rows
        self._chunk = chunk
        self._waiting: dict[RunId, int] = {}
        self._tokens: deque[RunId] = deque()
        self._prompts: deque[RunId] = deque()
        self._taking_turns: set[RunId] = set()
        """Runs that go token by token, whether they wait or are on their way."""
        self._lanes: dict[RunId, Hashable] = {}
        self._on_their_way: Counter[RunId] = Counter()
        """Positions of prompts in the ring, by run."""
        self._in_lane: Counter[Hashable] = Counter()

    @property
    def waiting(self) -> int:
        """Rows that wait."""
        return sum(self._waiting.values())

    def add(self, run: RunId, rows: int, lane: Hashable = None) -> None:
        """So many more rows of a run wait."""
        before = self._waiting.get(run, 0)
        self._waiting[run] = before + rows
        self._lanes[run] = lane
        if not before:
            (self._tokens if rows == 1 else self._prompts).append(run)
        elif run in self._tokens:  # by a peer that cuts a prompt into single rows
            self._tokens.remove(run)
            self._prompts.append(run)

    def came_back(self, run: RunId, rows: int) -> None:
        """Positions of a run went all the way round."""
        rows = min(rows, self._on_their_way[run])
        self._on_their_way[run] -= rows
        self._in_lane[self._lanes.get(run)] -= rows

    def drop(self, run: RunId) -> None:
        """The run has ended."""
        self.came_back(run, self._on_their_way[run])
        if self._waiting.pop(run, 0):
            for line in (self._tokens, self._prompts):
                if run in line:
                    line.remove(run)
        self._taking_turns.discard(run)
        self._lanes.pop(run, None)
        self._on_their_way = +self._on_their_way
        self._in_lane = +self._in_lane

    def has_work(self, window: int | None = None) -> bool:
        """Whether the next step has any rows."""
        return bool(self._tokens) or any(self._has_room(run, window) for run in self._prompts)

    def is_even(self, runs: int, micro_batches: int) -> bool:
        """Whether so many runs are one of that many equal parts of all that go token by token."""
        turning = len(self._taking_turns)
        return turning // micro_batches <= runs <= -(-turning // micro_batches)

    def next(self, micro_batches: int, window: int | None = None) -> list[Share]:
        """The next step, no run twice.

        micro_batches: into how many steps the runs that go token by token are spread, so that as
        many stages have work at once. window: how many positions of prompts may be on their way in
        a lane, at least a chunk.
        """
        has_prompts = any(self._has_room(run, window) for run in self._prompts)
        tokens = self._take_tokens(micro_batches, self._rows - has_prompts * self._chunk)
        return tokens + self._take_prompts(window)

    def _has_room(self, run: RunId, window: int | None) -> bool:
        return window is None or self._in_lane[self._lanes[run]] + self._chunk <= window

    def _take_tokens(self, micro_batches: int, room: int) -> list[Share]:
        turning = len(self._taking_turns.union(self._tokens))
        count = min(len(self._tokens), -(-turning // micro_batches), room)
        return [self._take(self._tokens.popleft(), 1) for _ in range(count)]

    def _take_prompts(self, window: int | None) -> list[Share]:
        room = self._chunk
        shares: list[Share] = []
        for run in list(self._prompts):
            if room and self._has_room(run, window):
                self._prompts.remove(run)
                shares.append(self._take(run, room))
                room -= shares[-1].rows
        self._prompts.extend(share.run for share in shares if share.run in self._waiting)
        return shares

    def _take(self, run: RunId, most: int) -> Share:
        waited = self._waiting.pop(run)
        rows = min(waited, most)
        if waited > rows:
            self._waiting[run] = waited - rows
        if waited == 1:
            self._taking_turns.add(run)
        else:
            self._on_their_way[run] += rows
            self._in_lane[self._lanes[run]] += rows
        return Share(run, rows)

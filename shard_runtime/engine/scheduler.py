# SPDX-License-Identifier: Apache-2.0
"""Which rows of which runs the next step computes. Pure: no clock, no socket, no tensor.

A run waits either for one row (its next token) or for several (a prompt, or a history that is
replayed). Each kind has a FIFO queue; a prompt with rows left after its chunk goes to the end of
its queue. Runs over one path share a lane, and a lane has a bounded number of prompt positions in
flight: a path that stalls delays its own runs only. The scheduler guarantees:

1. A step has at most `rows` rows, at most `chunk` of them of prompts.
2. While tokens wait, or a prompt whose lane has room, a step is not empty.
3. Prompts never fill a step, and tokens leave `chunk` rows to prompts: neither starves.
4. No run is served twice while another one waits in the same queue with room in its lane.
"""

from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass

from shard_runtime.links.frames import RunId


@dataclass(frozen=True, slots=True)
class Share:
    """How many rows of one run a step computes."""

    run: RunId
    rows: int


class Scheduler:
    """The two queues. For one thread."""

    def __init__(self, *, rows: int, chunk: int) -> None:
        assert 1 <= chunk < rows
        self.waiting = 0
        """Rows that wait. Any thread may read it."""
        self._rows = rows
        self._chunk = chunk
        self._waiting: dict[RunId, int] = {}
        self._tokens: deque[RunId] = deque()
        self._prompts: deque[RunId] = deque()
        self._decoding: set[RunId] = set()
        """Runs that go token by token, waiting or in flight."""
        self._lanes: dict[RunId, Hashable] = {}
        self._in_flight: Counter[RunId] = Counter()
        """Prompt positions in the ring, by run."""
        self._in_lane: Counter[Hashable] = Counter()

    def add(self, run: RunId, rows: int, lane: Hashable = None) -> None:
        """Queue more rows of a run."""
        before = self._waiting.get(run, 0)
        self._waiting[run] = before + rows
        self.waiting += rows
        self._lanes[run] = lane
        if not before:
            (self._tokens if rows == 1 else self._prompts).append(run)
        elif run in self._tokens:  # by a peer that cuts a prompt into single rows
            self._tokens.remove(run)
            self._prompts.append(run)

    def on_returned(self, run: RunId, rows: int) -> None:
        """Positions of a run completed the ring."""
        rows = min(rows, self._in_flight[run])
        self._in_flight[run] -= rows
        self._in_lane[self._lanes.get(run)] -= rows

    def drop(self, run: RunId) -> None:
        """Forget a run that ended."""
        self.on_returned(run, self._in_flight[run])
        if waiting := self._waiting.pop(run, 0):
            self.waiting -= waiting
            for queue in (self._tokens, self._prompts):
                if run in queue:
                    queue.remove(run)
        self._decoding.discard(run)
        self._lanes.pop(run, None)
        self._in_flight = +self._in_flight
        self._in_lane = +self._in_lane

    def has_work(self, window: int | None = None) -> bool:
        """Whether the next step has any rows."""
        return bool(self._tokens) or any(self._has_room(run, window) for run in self._prompts)

    def is_even(self, runs: int, micro_batches: int) -> bool:
        """Whether `runs` is the size of one of `micro_batches` equal parts of all decoding runs."""
        decoding = len(self._decoding)
        return decoding // micro_batches <= runs <= -(-decoding // micro_batches)

    def next(self, micro_batches: int, window: int | None = None) -> list[Share]:
        """The next step, each run at most once.

        micro_batches: the number of steps over which the decoding runs are spread, so that as many
        stages work at the same time. window: how many prompt positions a lane may have in flight,
        at least a chunk.
        """
        has_prompts = any(self._has_room(run, window) for run in self._prompts)
        tokens = self._next_tokens(micro_batches, self._rows - has_prompts * self._chunk)
        return tokens + self._next_prompts(window)

    def _has_room(self, run: RunId, window: int | None) -> bool:
        return window is None or self._in_lane[self._lanes[run]] + self._chunk <= window

    def _next_tokens(self, micro_batches: int, room: int) -> list[Share]:
        decoding = len(self._decoding.union(self._tokens))
        count = min(len(self._tokens), -(-decoding // micro_batches), room)
        tokens = [self._tokens.popleft() for _ in range(count)]
        self._decoding.update(tokens)
        return [self._schedule(run, 1) for run in tokens]

    def _next_prompts(self, window: int | None) -> list[Share]:
        room = self._chunk
        shares: list[Share] = []
        for run in list(self._prompts):
            if room and self._has_room(run, window):
                self._prompts.remove(run)
                share = self._schedule(run, room)
                self._in_flight[run] += share.rows
                self._in_lane[self._lanes[run]] += share.rows
                shares.append(share)
                room -= share.rows
        self._prompts.extend(share.run for share in shares if share.run in self._waiting)
        return shares

    def _schedule(self, run: RunId, max_rows: int) -> Share:
        waiting = self._waiting.pop(run)
        rows = min(waiting, max_rows)
        self.waiting -= rows
        if waiting > rows:
            self._waiting[run] = waiting - rows
        return Share(run, rows)

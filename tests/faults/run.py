# SPDX-License-Identifier: Apache-2.0
"""A run: one world, batches of faults beside requests, and the books after each batch."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from demo.errors import ChainRefused
from demo.output.console import Console
from teetee.chain.types.requests import RequestSettled
from teetee.protocol.identifiers import ShardId
from tests.faults.books import Books, Findings
from tests.faults.disk_search import DiskSearch
from tests.faults.fault import Fault, Kind
from tests.faults.injector import Injector
from tests.faults.outages import Outages
from tests.faults.requests import Asked
from tests.faults.schedule import BATCH, ENTRIES, Schedule, make_schedule
from tests.faults.shards import Shards
from tests.faults.traffic import Traffic
from tests.faults.world import FaultWorld

QUIET_SECONDS = 60.0
TICK_SECONDS = 0.05
SAMPLE_SECONDS = 0.3
REORG_BLOCKS = 70

Report = Callable[[str], None]


class BooksWrong(Exception):
    """A batch ended with books that are not right."""

    def __init__(self, schedule: Schedule, problems: list[str]) -> None:
        self.schedule, self.problems = schedule, problems
        super().__init__(f"batch {schedule.batch} of seed {schedule.seed}: {problems[0]}")


@dataclass
class Result:
    """The sum of a run."""

    seed: int
    faults: Counter[Kind] = field(default_factory=Counter)
    requests: int = 0
    findings: Findings = field(default_factory=Findings)
    longest_recovery: float = 0.0
    """Seconds from a batch's last fault until every request had ended and every enclave served."""
    longest_start: float = 0.0
    """Seconds from a process's start until it served."""
    searched_bytes: int = 0
    seconds: float = 0.0


class Run:
    """`start`, `run_batch` for each batch, `finish`. All in one thread."""

    def __init__(self, world: FaultWorld, seed: int, kinds: Collection[Kind]) -> None:
        self._world = world
        self._kinds = kinds
        self.result = Result(seed)
        self._outages = Outages()
        self._all: list[Asked] = []
        self._order = count()
        self._ends = threading.Event()

    def start(self) -> None:
        """The run without faults, whose answers are the reference."""
        world = self._world
        self._traffic = Traffic(world, self.result.seed)
        self._traffic.start()
        self._shards = Shards(world)
        self._injector = Injector(world, self._traffic, self._shards, self._outages)
        entries = {ShardId(world.enclave(name).shard_id): name for name in ENTRIES}
        self._books = Books(world, self._outages, entries)
        self._search = DiskSearch(world.folders.directory)
        threading.Thread(target=self._sample, daemon=True).start()
        asked = self._traffic.ask_all()
        self._await_ends(asked)
        self._books.learn(asked, world.first_block)
        for answer in self._books.references.values():
            self._search.add_answer(answer)
        self._traffic.crowd.take_asked()
        world.end_setup()

    def run_batch(self, batch: int, faults: int = BATCH) -> Findings:
        """Raises `BooksWrong`."""
        schedule = make_schedule(self.result.seed, batch, faults, self._kinds)
        self._first_block = max(
            self._world.first_block, self._world.chain.block_number() - REORG_BLOCKS
        )
        self._traffic.resume()
        self._inject(schedule)
        healed_at = time.monotonic()
        self._injector.heal()
        self._outages.end_all()
        self._traffic.pause()
        asked = [one for each in self._traffic.requesters for one in each.take_asked()]
        self._await_ends(asked)
        self._injector.await_ready()
        recovery = time.monotonic() - healed_at
        findings = self._check(asked)
        self._count(schedule, asked, recovery)
        if findings.problems:
            raise BooksWrong(schedule, findings.problems)
        return findings

    def finish(self) -> Result:
        """The books of the whole run, once more: no reorganisation may have undone an end."""
        self._traffic.close()
        self._ends.set()
        findings = self._books.check(self._all, self._world.first_block)
        self._books.check_balance(findings)
        self.result.findings = findings
        self.result.searched_bytes = self._search.searched_bytes
        return self.result

    # -- one batch -----------------------------------------------------------------------------

    def _inject(self, schedule: Schedule) -> None:
        begun_at = time.monotonic()
        events: list[tuple[float, int, Callable[[Fault], None], Fault]] = []
        for fault in schedule.faults:
            heapq.heappush(events, (fault.at, next(self._order), self._injector.begin, fault))
            heapq.heappush(events, (fault.end, next(self._order), self._injector.end, fault))
        while events:
            now = time.monotonic() - begun_at
            if events[0][0] > now:
                self._injector.watch()
                time.sleep(min(TICK_SECONDS, max(0.0, events[0][0] - now)))
                continue
            _, _, act, fault = heapq.heappop(events)
            act(fault)

    def _await_ends(self, asked: list[Asked]) -> None:
        """Until none is open; sends those again that a reorganisation dropped."""
        first = getattr(self, "_first_block", self._world.first_block)
        until = time.monotonic() + QUIET_SECONDS
        while True:
            missing = self._traffic.resend_missing(asked) if asked else 0
            still_open = self._books.open_requests(asked, first)
            if not missing and not still_open:
                return
            import os
            if os.environ.get("FAULTS_DEBUG"):
                print("missing", missing, "open", len(still_open), still_open[:5], flush=True)
            if time.monotonic() > until:
                return  # the books say which are lost
            time.sleep(0.5)

    def _check(self, asked: list[Asked]) -> Findings:
        findings = self._books.check(asked, self._first_block)
        self._books.check_balance(findings)
        found = self._search.search()
        findings.problems += [f"plain text on disk: {each}" for each in found]
        findings.problems += [f"a lane failed: {error!r}" for error in self._traffic.failures]
        return findings

    def _count(self, schedule: Schedule, asked: list[Asked], recovery: float) -> None:
        result = self.result
        result.faults += Counter(fault.kind for fault in schedule.faults)
        result.requests += len(asked)
        result.longest_recovery = max(result.longest_recovery, recovery)
        starts = [seconds for _, seconds in self._injector.recoveries]
        result.longest_start = max([result.longest_start, *starts])
        self._all += asked

    def _sample(self) -> None:
        while not self._ends.wait(SAMPLE_SECONDS):
            with suppress(ChainRefused):  # it is suspended
                self._outages.sample(self._world.chain.now())


def open_world(directory: Path, console: Console) -> FaultWorld:
    """A world in that folder; `with` ends it."""
    return FaultWorld(directory, console)


__all__ = ["BooksWrong", "RequestSettled", "Result", "Run", "open_world"]

# SPDX-License-Identifier: Apache-2.0
"""A run: one world, batches of faults beside requests, and the books after each batch."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from itertools import count

from demo.errors import ChainRefused
from teetee.protocol.identifiers import ShardId
from tests.faults.books import Books
from tests.faults.disk_search import DiskSearch
from tests.faults.fault import Fault, Kind
from tests.faults.injector import Injector
from tests.faults.outages import Outages
from tests.faults.pace import Pace
from tests.faults.requests import Asked
from tests.faults.result import BooksWrong, Findings, Result
from tests.faults.schedule import BATCH, ENTRIES, Schedule, make_schedule
from tests.faults.shards import Shards
from tests.faults.traffic import Traffic
from tests.faults.world import FaultWorld

QUIET_SECONDS = 120.0
TICK_SECONDS = 0.05
SAMPLE_SECONDS = 0.3
WATCH_SECONDS = 1.0


class Run:
    """`start`, `run_batch` for each batch, `finish`; all in the thread that made the world."""

    def __init__(self, world: FaultWorld, seed: int, kinds: Collection[Kind]) -> None:
        self._world = world
        self._kinds = kinds
        self.result = Result(seed)
        self._outages = Outages()
        self.pace = Pace()
        self._all: list[Asked] = []
        self._order = count()
        self._ends = threading.Event()
        self._begun_at = time.monotonic()

    def start(self) -> None:
        """The run without faults, whose answers are the reference."""
        world = self._world
        self._traffic = Traffic(world, self.result.seed, self.pace)
        self._traffic.start()
        self._shards = Shards(world)
        self._injector = Injector(world, self._traffic, self._shards, self._outages)
        entries = {ShardId(world.enclave(name).shard_id): name for name in ENTRIES}
        self._books = Books(world, self._outages, entries, self.pace)
        self._search = DiskSearch(world.folders.directory)
        for watch in (self._sample, self._watch_shards):
            threading.Thread(target=watch, daemon=True).start()
        asked = self._traffic.ask_all()
        self._await_ends(asked)
        self._books.learn(asked, world.first_block)
        for answer in self._books.references.values():
            self._search.add_answer(answer)
        self._traffic.crowd.take_asked()
        self._first_block = world.chain.block_number()

    def run_batch(self, batch: int, faults: int = BATCH) -> Findings:
        """Raises `BooksWrong`."""
        schedule = make_schedule(self.result.seed, batch, faults, self._kinds)
        self._world.bury()
        first_block = self._world.first_block
        self.pace.measure()
        self._traffic.resume()
        self._inject(schedule)
        healed_at = time.monotonic()
        self._injector.await_processes()
        self._injector.await_work()
        self._injector.restore_shards()  # first the keys: an entry with others cannot act
        self._outages.end_all()
        self._traffic.pause()
        asked = [one for each in self._traffic.requesters for one in each.take_asked()]
        self._await_ends(asked)
        self._injector.restore_shards()
        self._injector.await_ready()
        recovery = time.monotonic() - healed_at
        self._all += asked
        self.result.count(schedule, len(asked), recovery, max(self._injector.starts, default=0.0))
        findings = self._books.check(asked, first_block)
        return self._require_right(findings, batch)

    def finish(self) -> Result:
        """The books of the whole run, once more: no reorganisation may have undone an end.

        Raises `BooksWrong`.
        """
        self._traffic.close()
        self._ends.set()
        findings = self._books.check(self._all, self._first_block)
        self.result.findings = findings
        if not findings.ends["settled"]:
            findings.problems.append("no request was settled, so the faults met no work")
        self._require_right(findings, None)
        self.result.searched_bytes = self._search.searched_bytes
        self.result.seconds = time.monotonic() - self._begun_at
        return self.result

    # -- one batch -----------------------------------------------------------------------------

    def _inject(self, schedule: Schedule) -> None:
        begun_at = time.monotonic()
        events: list[tuple[float, int, Callable[[Fault], None], Fault]] = []
        for fault in schedule.faults:
            begin = self.pace.seconds(fault.at)
            end = begin + fault.seconds
            heapq.heappush(events, (begin, next(self._order), self._injector.begin, fault))
            heapq.heappush(events, (end, next(self._order), self._injector.end, fault))
        while events:
            now = time.monotonic() - begun_at
            if events[0][0] > now:
                self._injector.watch()
                time.sleep(min(TICK_SECONDS, max(0.0, events[0][0] - now)))
                continue
            _, _, act, fault = heapq.heappop(events)
            act(fault)

    def _await_ends(self, asked: list[Asked]) -> None:
        """Until none is open, or the books have to say which are lost. What a reorganisation
        dropped is sent again.
        """
        until = time.monotonic() + self.pace.seconds(QUIET_SECONDS)
        while time.monotonic() < until:
            missing = self._traffic.resend_missing(asked)
            if not missing and not self._books.has_open_requests():
                return
            time.sleep(0.5)

    def _require_right(self, findings: Findings, batch: int | None) -> Findings:
        self._books.check_balance(findings)
        plain = self._search.search()
        findings.plain_on_disk = len(plain)
        findings.problems += [f"plain text on disk: {each}" for each in plain]
        findings.problems += [f"a lane failed: {error!r}" for error in self._traffic.failures]
        if findings.problems:
            raise BooksWrong(self.result.seed, batch, findings.problems)
        return findings

    def _sample(self) -> None:
        while not self._ends.wait(SAMPLE_SECONDS):
            with suppress(ChainRefused):  # it is suspended
                self._outages.sample(self._world.chain.now())

    def _watch_shards(self) -> None:
        """An entry that lost part of its bond answers nothing before its host puts it back."""
        while not self._ends.wait(WATCH_SECONDS):
            with suppress(Exception):  # the chain is suspended: tried again
                for name in ENTRIES:
                    self._outages.mark_keys(name, self._shards.has_other_keys(name))
                for name in ENTRIES:
                    self._shards.top_up(name)

# SPDX-License-Identifier: Apache-2.0
"""How a stage's runs end: what each holds is free at once, and its entry is told why."""

import logging
import time

from shard_runtime.abort_reason import AbortReason
from shard_runtime.backends.kv_cache import CachePool
from shard_runtime.engine.abort_mapping import reason_for
from shard_runtime.engine.receipts import RunBinding
from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.engine.stage.heartbeat_responder import StagePulse
from shard_runtime.engine.stage.run import RunTable, StageRun
from shard_runtime.errors import LinkCongested
from shard_runtime.links.frames import Abort, Open, Place, RunId, encode
from shard_runtime.links.port import Links
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class StageRuns:
    """Open runs, with their caches and their places in the line. For the thread that computes."""

    def __init__(self, *, pool: CachePool, limit: int, scheduler: Scheduler, links: Links) -> None:
        self._table = RunTable(pool, limit)
        self._scheduler = scheduler
        self._links = links

    def __len__(self) -> int:
        return len(self._table)

    def find(self, run: RunId) -> StageRun | None:
        return self._table.find(run)

    def has_ended(self, run: RunId, entry_tls: bytes) -> bool:
        """Whether it was open lately, or its entry gave it up before its opening came."""
        return self._table.has_ended(run, entry_tls)

    def open(self, opening: Open, binding: RunBinding) -> StageRun:
        """Raises `TooManyRuns`, `CacheFull`."""
        return self._table.open(opening, binding)

    def end(self, run: RunId, by: bytes | None = None) -> None:
        """Free what it holds, if it is open, and refuse its frames from now on. by: who ends one
        that is not open.
        """
        self._table.end(run, by)
        self._scheduler.drop(run)

    def end_all(self) -> None:
        for run in self._table:
            self.end(run.id)

    def give_up(self, run: StageRun, error: Exception) -> None:
        """It cannot go on, for that reason."""
        _log.warning("a run was given up", extra={"kind": type(error).__name__})
        self.surrender(run, *reason_for(error, run.hop))

    def surrender(self, run: StageRun, reason: AbortReason, stage: int) -> None:
        """End it, and say whose fault it was."""
        self.end(run.id)
        self.tell(run.entry, run.id, reason, stage)

    def surrender_all(self, reason: AbortReason) -> None:
        """What happened is our fault, and no one run's."""
        for run in self._table:
            self.surrender(run, reason, run.hop)

    def without(self, shard_id: ShardId) -> None:
        """A shard is gone: so are the runs that go on to it, or belong to it."""
        for run in self._table:
            if run.next_shard == shard_id:
                self.surrender(run, AbortReason.LINK_LOST, run.hop + 1)
            elif run.entry == shard_id:
                self.end(run.id)

    def end_idle(self, pulse: StagePulse, idle_seconds: float, entry_silent_seconds: float) -> None:
        """Those for which nothing came for so long, or of which the entry was not heard."""
        now = time.monotonic()
        pulse.forget_all_but({run.entry_tls for run in self._table})
        for run in self._table:
            heard_at = max(run.used_at, pulse.heard_at(run.entry_tls))
            if now - run.used_at > idle_seconds or now - heard_at > entry_silent_seconds:
                self.surrender(run, AbortReason.IDLE, run.hop - 1)

    def tell(self, entry: ShardId, run: RunId, reason: AbortReason, stage: int) -> None:
        """The entry tells the other stages."""
        try:
            self._links.send(entry, encode(Abort(Place(run, 0, 0, 0), reason, stage)))
        except LinkCongested:
            _log.warning("an entry does not read and is not told", extra={"shard": entry})

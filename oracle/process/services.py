# SPDX-License-Identifier: Apache-2.0
"""What runs once the registry lists this enclave as a shard: its stage, or the entry with all that
serves requests. `assembly` builds them.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.endpoints.info import InfoEndpoint
from oracle.endpoints.stream import StreamEndpoint
from oracle.process.loops import Loop
from oracle.request.dispatcher import Dispatcher
from oracle.request.journal import Journal
from shard_runtime import Entry, Listener, Stage
from teetee.protocol.endpoint import INFO_ALPN, STREAM_ALPN
from teetee.protocol.identifiers import ShardId

ABANDON_SECONDS = 5.0


class ShardService(Protocol):
    """Serves as one shard."""

    shard_id: ShardId

    def start(self) -> None:
        """Starts serving."""

    def stop(self, grace_seconds: float) -> None:
        """Stops; requests in work get `grace_seconds`. The next start finds the others on chain."""


class StageService:
    """A shard that is not an entry."""

    def __init__(
        self, shard_id: ShardId, stage: Stage, *, guard: Loop, stop: threading.Event
    ) -> None:
        """`guard`: checks the requests of runs against the chain."""
        self.shard_id = shard_id
        self._stage = stage
        self._guard = guard
        self._stop = stop

    def start(self) -> None:
        """Serves the runs of entries."""
        self._guard.start()
        self._stage.start()

    def stop(self, grace_seconds: float) -> None:
        """Stops at once: the entries use another path, or retry."""
        self._stage.close()
        self._stop.set()
        self._guard.join(ABANDON_SECONDS)


class EntryService:
    """An entry shard: runtime, journal, loops, and the endpoints for wallets.

    Three events end it. `stop`: no new inference starts; running ones may finish. `abandon`:
    running ones end, too, and nothing more is sent. `end`: the loops end.
    """

    def __init__(
        self,
        shard_id: ShardId,
        *,
        entry: Entry,
        dispatcher: Dispatcher,
        journal: Journal,
        loops: Sequence[Loop],
        listener: Listener,
        stream: StreamEndpoint,
        info: InfoEndpoint,
        stop: threading.Event,
        abandon: threading.Event,
        end: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        self.shard_id = shard_id
        self._entry = entry
        self._dispatcher = dispatcher
        self._journal = journal
        self._loops = loops
        self._listener = listener
        self._stream = stream
        self._info = info
        self._stop = stop
        self._abandon = abandon
        self._end = end
        self._log = log

    def start(self) -> None:
        """Serves requests, beginning with those that an earlier process left open."""
        self._entry.start()
        self._listener.handle(STREAM_ALPN, self._stream.serve)
        self._listener.handle(INFO_ALPN, self._info.serve)
        for loop in self._loops:
            loop.start()

    def stop(self, grace_seconds: float) -> None:
        """Running requests get `grace_seconds`; the others continue after the next start."""
        self._stop.set()
        if not self._dispatcher.wait_until_idle(grace_seconds):
            self._log.warning("running requests are left to the next start")
        self._abandon.set()
        self._dispatcher.wait_until_idle(ABANDON_SECONDS)
        self._end.set()
        self._entry.close()
        for loop in self._loops:
            loop.join(ABANDON_SECONDS)
        self._journal.close()

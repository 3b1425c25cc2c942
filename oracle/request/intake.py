# SPDX-License-Identifier: Apache-2.0
"""Fetches the envelopes of due requests, several in one call, and looks whether they open.

An envelope that does not open, or permits only shards that give no path, is found here, before it
takes a place in the queue.
"""

import queue
from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import EscrowReader
from oracle.inference.errors import NoPermittedPath
from oracle.records import Opening, Outcome
from oracle.request.answer_pool import Answerer
from oracle.request.journal import Journal
from teetee.chain.types.requests import Request
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import RequestId

MAX_AT_ONCE = 32
WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Received:
    """An opening, with what is known of its outcome already: an answer of an earlier process, or a
    refusal because it does not open.
    """

    opening: Opening
    outcome: Outcome | None
    is_pathless: bool = False
    """The shards that its requester permits give no path now."""


Done = Callable[[RequestId, Received | None], None]
"""Gets the result for each request; None: not now."""


class Intake:
    """The dispatcher calls `submit`, one loop `run_once`."""

    def __init__(
        self,
        *,
        reader: EscrowReader,
        heads: Heads,
        journal: Journal,
        answerer: Answerer,
        done: Done,
        log: FilteringBoundLogger,
    ) -> None:
        self._reader = reader
        self._heads = heads
        self._journal = journal
        self._answerer = answerer
        self._done = done
        self._log = log
        self._due: queue.SimpleQueue[tuple[Request, int]] = queue.SimpleQueue()

    def submit(self, request: Request, seen_at: int) -> None:
        """`seen_at`: number of the block at which it was first seen."""
        self._due.put((request, seen_at))

    def run_once(self) -> None:
        """Fetches a few, if some are due within a moment."""
        due: list[tuple[Request, int]] = []
        try:
            due.append(self._due.get(timeout=WAIT_SECONDS))
            while len(due) < MAX_AT_ONCE:
                due.append(self._due.get_nowait())
        except queue.Empty:
            if not due:
                return
        received: dict[RequestId, Received] = {}
        try:
            received = self._receive(due)
        finally:  # whatever happens, each is handed back
            for request, _ in due:
                self._done(request.request_id, received.get(request.request_id))

    def _receive(self, due: list[tuple[Request, int]]) -> dict[RequestId, Received]:
        requests = [request for request, _ in due]
        try:
            openings = self._reader.openings(
                requests, first_block=min(block for _, block in due), at=self._heads.current()
            )
        except TeeTeeError as error:
            numbers = [int(request.request_id) for request in requests]
            self._log.warning("requests cannot be fetched", request_ids=numbers, error=error)
            return {}
        return {opening.request_id: self._screen(opening) for opening in openings}

    def _screen(self, opening: Opening) -> Received:
        answered = self._journal.find(opening)
        try:
            return Received(opening, answered or self._answerer.screen(opening))
        except NoPermittedPath:
            return Received(opening, None, is_pathless=True)

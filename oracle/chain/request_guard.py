# SPDX-License-Identifier: Apache-2.0
"""Decides for which requests a stage computes: implements `shard_runtime.RequestGuard`.

A stage computes only for a request that this enclave's own view of the chain shows as open (so its
deposit is paid, or its allowance reserved), with the path's first shard as one of its recipients,
and within its caps. A request pays for one answer; runs that break and start again may use a few
times as much, and no more. An entry that was shown an invented escrow gets nothing from stages that
see the real one.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import EscrowReader
from shard_runtime import OnVerdict, RunTerms
from shard_runtime.errors import TooManyRuns
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import Request, RequestStatus
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import RequestId, ShardId

Source = tuple[ShardId, ShardId]
"""The entry that a run names, and the stage that passed it on. All limits hold for each of these
pairs, so a stage that opens runs in an entry's name uses up only what passes through itself."""

MAX_RUNS_WORTH = 4
"""Positions that may be computed for a request, in multiples of the request's caps."""
MAX_OPEN_RUNS = 2
"""Of one request: a new one may arrive before the abort of the one that broke."""
MAX_OPEN_RUNS_PER_SOURCE = 32
"""That were permitted."""
MAX_UNDECIDED_PER_SOURCE = 16
"""Counted apart: for requests that this enclave has not read yet."""
MAX_UNSEEN_PER_SOURCE = 4
"""Runs for requests that the chain does not show yet."""
UNSEEN_SECONDS = 2.0
"""How long a run waits for its request: nodes see a block at different times. Shorter than the time
after which an entry counts a stage that keeps its rows as stalled."""
RECHECK_SECONDS = 10.0
"""How often the requests of open runs are read again."""
PAUSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class _OpenRun:
    terms: RunTerms
    on_verdict: OnVerdict
    since: float


@dataclass(slots=True)
class _Record:
    """One request: what the chain last showed, and what was used of it."""

    request: Request | None = None
    read_at: float = 0.0
    now: int = 0
    """Chain time of that read."""
    runs: list[_OpenRun] = field(default_factory=list)
    positions: defaultdict[Source, int] = field(default_factory=lambda: defaultdict(int))
    """The capacity of the source's open runs, and the computed positions of those that ended."""

    def permits(self, terms: RunTerms) -> bool | None:
        """Whether a run that is counted already may be computed; None: not yet."""
        request = self.request
        if request is None:
            return None
        caps = request.max_input_tokens + request.max_output_tokens
        is_paid = (
            request.status is RequestStatus.OPEN
            and self.now <= request.deadline
            and request.model_id == terms.model_id
            and terms.entry in request.recipients
            and terms.capacity <= caps
            and self.positions[_source(terms)] <= MAX_RUNS_WORTH * caps
        )
        if not is_paid:
            return False
        turn = request.takeover_at(request.recipients.index(terms.entry))
        return True if self.now >= turn else None


class ChainRequestGuard:
    """One loop calls `poll`; the computing thread calls the rest."""

    def __init__(
        self,
        *,
        reader: EscrowReader,
        heads: Heads,
        clock: Callable[[], float],
        log: FilteringBoundLogger,
    ) -> None:
        """`clock` is monotonic, in s."""
        self._reader = reader
        self._heads = heads
        self._clock = clock
        self._log = log
        self._records: dict[RequestId, _Record] = {}
        self._undecided: list[_OpenRun] = []
        self._changed = threading.Condition()
        """Guards these two."""

    def check(self, terms: RunTerms, on_verdict: OnVerdict) -> bool | None:
        """From memory if the request was read lately; otherwise the next `poll` decides.

        Raises `TooManyRuns`.
        """
        with self._changed:
            record = self._records.setdefault(terms.request_id, _Record())
            self._require_place(record, _source(terms))
            run = _OpenRun(terms, on_verdict, self._clock())
            record.positions[_source(terms)] += terms.capacity
            is_recent = self._clock() - record.read_at <= RECHECK_SECONDS
            verdict = record.permits(terms) if is_recent else None
            if verdict is False:
                record.positions[_source(terms)] -= terms.capacity
                return False
            record.runs.append(run)
            if verdict is None:
                self._undecided.append(run)
                self._changed.notify_all()
            return verdict

    def run_ended(self, terms: RunTerms, positions: int) -> None:
        """Keep count of what was computed for the request."""
        with self._changed:
            record = self._records.get(terms.request_id)
            run = None if record is None else _find(record.runs, terms)
            if record is None or run is None:
                return
            record.runs.remove(run)
            record.positions[_source(terms)] += positions - terms.capacity
            if run in self._undecided:
                self._undecided.remove(run)

    def poll(self) -> None:
        """Waits for runs to decide on, at most until open ones are due again, and decides."""
        with self._changed:
            self._changed.wait_for(lambda: self._undecided, PAUSE_SECONDS)
            due = self._due()
        if due:
            self._read(due)
            self._decide()
        self._forget_ended()

    def _require_place(self, record: _Record, source: Source) -> None:
        """Raises `TooManyRuns` if the source may not have one more open run now."""
        of_request = sum(_source(run.terms) == source for run in record.runs)
        undecided = sum(_source(run.terms) == source for run in self._undecided)
        of_source = sum(
            _source(run.terms) == source for each in self._records.values() for run in each.runs
        )
        if of_request >= MAX_OPEN_RUNS:
            raise TooManyRuns(MAX_OPEN_RUNS)
        if undecided >= MAX_UNDECIDED_PER_SOURCE:
            raise TooManyRuns(MAX_UNDECIDED_PER_SOURCE)
        if of_source - undecided >= MAX_OPEN_RUNS_PER_SOURCE:
            raise TooManyRuns(MAX_OPEN_RUNS_PER_SOURCE)

    def _due(self) -> list[RequestId]:
        """The requests to read: those of undecided runs, and those of open runs now and then."""
        oldest = self._clock() - RECHECK_SECONDS
        undecided = {run.terms.request_id for run in self._undecided}
        return [
            number
            for number, record in self._records.items()
            if number in undecided or (record.runs and record.read_at < oldest)
        ]

    def _read(self, numbers: list[RequestId]) -> None:
        try:
            self._heads.poll()
            at = self._heads.current()
            found = self._reader.requests_by_id(numbers, at=at)
        except TeeTeeError as error:
            # Undecided runs are refused when their time is up: without a view, nothing is computed.
            self._log.warning("requests cannot be checked", error=error)
            return
        with self._changed:
            for number in numbers:
                self._note(number, found.get(number), at)

    def _note(self, number: RequestId, request: Request | None, at: Block) -> None:
        record = self._records.get(number)
        if record is not None:
            record.request, record.now, record.read_at = request, at.timestamp, self._clock()

    def _decide(self) -> None:
        """Tell the verdicts on undecided runs, and on open ones whose request ended."""
        with self._changed:
            verdicts = [*self._verdicts_on_undecided()]
            for record in self._records.values():
                ended = [run for run in record.runs if record.permits(run.terms) is False]
                verdicts += [(run, False) for run in ended if run not in self._undecided]
            decided = {id(run) for run, _ in verdicts}
            self._undecided = [run for run in self._undecided if id(run) not in decided]
        for run, verdict in verdicts:
            run.on_verdict(verdict)
        with self._changed:
            if self._undecided:
                self._changed.wait(PAUSE_SECONDS)

    def _verdicts_on_undecided(self) -> list[tuple[_OpenRun, bool]]:
        verdicts, unseen = [], defaultdict[Source, int](int)
        for run in self._undecided:
            record = self._records[run.terms.request_id]
            verdict = record.permits(run.terms) if record.read_at >= run.since else None
            if verdict is None:
                source = _source(run.terms)
                unseen[source] += 1
                is_over = self._clock() - run.since > UNSEEN_SECONDS
                if is_over or unseen[source] > MAX_UNSEEN_PER_SOURCE:
                    verdict = False
            if verdict is not None:
                verdicts.append((run, verdict))
        return verdicts

    def _forget_ended(self) -> None:
        """Drop the records of requests that cannot be computed for any more."""
        with self._changed:
            now = max((record.now for record in self._records.values()), default=0)
            self._records = {
                number: record
                for number, record in self._records.items()
                if record.runs or (record.request is not None and record.request.deadline >= now)
            }


def _source(terms: RunTerms) -> Source:
    return terms.entry, terms.sender


def _find(runs: list[_OpenRun], terms: RunTerms) -> _OpenRun | None:
    """The run with these terms; of several alike, either will do."""
    return next((run for run in runs if run.terms is terms), None)

# SPDX-License-Identifier: Apache-2.0
"""The journal: sealed answers whose requests have not ended for good, in one SQLite table.

The chain is the source of truth: it says which requests are open. The journal only spares an answer
from being computed twice, and losing it loses no request. So no request waits for it: an answer
that cannot be written (a full disk, a failed write, a locked file) is kept in memory, posted all
the same, and written when the disk allows it.

The host controls the disk. What is read is checked; a record that this enclave did not sign is
ignored. docs/decisions/036-journal-of-answers.md says why there is no workflow engine.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from oracle.errors import JournalUnreadable
from oracle.records import Answered, Opening
from teetee.protocol.identifiers import RequestId
from teetee.protocol.json import shallow as shallow_json
from teetee.protocol.typed_data import escrow_domain

FILE_NAME = "answers.sqlite"
LOCK_TIMEOUT_SECONDS = 1.0
# Part of the file's format: another version uses another table.
_SCHEMA = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # each commit is on the disk before it returns
    "CREATE TABLE IF NOT EXISTS answers_v1 (name TEXT PRIMARY KEY, context TEXT, answer TEXT)",
)

_Result = TypeVar("_Result")


class Journal:
    """Thread-safe. No call raises for the disk's sake: its failures are logged, once each time."""

    def __init__(
        self,
        *,
        data_directory: Path,
        chain_id: int,
        escrow: str,
        signer: str,
        log: FilteringBoundLogger,
    ) -> None:
        """`data_directory` exists and belongs to this process alone; `signer`: the address whose
        answers are believed, checksummed.
        """
        self._signer = signer
        self._domain = escrow_domain(chain_id, escrow)
        self._file = data_directory / FILE_NAME
        self._prefix = f"{chain_id}-{escrow}-"
        self._log = log
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._unwritten: dict[RequestId, tuple[bytes, Answered]] = {}
        self._is_failing = False

    def save(self, opening: Opening, answered: Answered) -> None:
        """Keeps the answer: on disk, or in memory until `flush` succeeds."""
        with self._lock:
            self._unwritten[opening.request_id] = (opening.context.digest(), answered)
            self._flush()

    def flush(self) -> None:
        """Writes what could not be written before. One loop calls it."""
        with self._lock:
            self._flush()

    def find(self, opening: Opening) -> Answered | None:
        """The answer to exactly this request; not that of another one of the same number."""
        context = opening.context.digest()
        with self._lock:
            kept = self._unwritten.get(opening.request_id)
            if kept is not None:
                return kept[1] if kept[0] == context else None
            query = "SELECT answer FROM answers_v1 WHERE name = ? AND context = ?"
            parameters = (self._name(opening.request_id), context.hex())
            rows = self._try(lambda database: database.execute(query, parameters).fetchall())
        return self._read(rows[0][0], opening.request_id) if rows else None

    def request_ids(self) -> list[RequestId]:
        """The requests of all answers, ascending."""
        with self._lock:
            query = "SELECT name FROM answers_v1 WHERE substr(name, 1, ?) = ?"
            parameters = (len(self._prefix), self._prefix)
            rows = self._try(lambda database: database.execute(query, parameters).fetchall()) or []
            numbers = (str(name).removeprefix(self._prefix) for (name,) in rows)
            written = {RequestId(int(number)) for number in numbers if number.isdecimal()}
            return sorted(written | self._unwritten.keys())

    def delete(self, request_ids: Iterable[RequestId]) -> None:
        """Forgets answers whose requests have ended for good, so that the disk does not fill."""
        request_ids = list(request_ids)
        with self._lock:
            for request_id in request_ids:
                self._unwritten.pop(request_id, None)
            names = [(self._name(request_id),) for request_id in request_ids]
            query = "DELETE FROM answers_v1 WHERE name = ?"
            self._try(lambda database: database.executemany(query, names))

    def close(self) -> None:
        """Closes the file. A later call opens it again."""
        with self._lock:
            self._close()

    def _name(self, request_id: RequestId) -> str:
        return self._prefix + str(request_id)

    def _flush(self) -> None:
        query = "INSERT OR REPLACE INTO answers_v1 VALUES (?, ?, ?)"
        for request_id, (context, answered) in list(self._unwritten.items()):
            answer = json.dumps(answered.to_json(), separators=(",", ":"))
            row = (self._name(request_id), context.hex(), answer)
            if self._try(lambda database, row=row: database.execute(query, row)) is None:  # type: ignore[misc]
                return
            del self._unwritten[request_id]

    @property
    def is_failing(self) -> bool:
        """Whether the last use of the disk failed."""
        return self._is_failing

    def _try(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """The result; None if the disk fails. The caller holds the lock."""
        try:
            result = work(self._connect())
        except (sqlite3.Error, OSError) as error:
            self._close()  # a handle that has failed is not used again
            if not self._is_failing:
                self._log.error("journal cannot be used: answers stay in memory", error=error)
            self._is_failing = True
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(
                error, sqlite3.OperationalError
            ):
                self._set_aside()
            return None
        if self._is_failing:
            self._log.info("journal works again")
        self._is_failing = False
        return result

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            # Autocommit: each statement is a transaction of its own.
            self._connection = sqlite3.connect(
                self._file,
                timeout=LOCK_TIMEOUT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            for statement in _SCHEMA:
                self._connection.execute(statement)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _set_aside(self) -> None:
        """A file that is no database any more: the next call makes a new one."""
        for suffix in ("", "-wal", "-shm"):
            file = self._file.with_name(FILE_NAME + suffix)
            with suppress(OSError):
                file.replace(file.with_name(file.name + ".damaged"))

    def _read(self, text: object, request_id: RequestId) -> Answered | None:
        try:
            value = shallow_json.load(str(text).encode())
            if not isinstance(value, dict):
                raise JournalUnreadable(what="an answer that is no object")
            answered = Answered.from_json(value)
            if answered.request_id != request_id:
                raise JournalUnreadable(what="an answer of another request")
            answered.require_signer(self._signer, self._domain)
        except (JournalUnreadable, ValueError) as error:
            self._log.warning("journaled answer ignored", request_id=int(request_id), error=error)
            return None
        return answered

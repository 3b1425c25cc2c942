# SPDX-License-Identifier: Apache-2.0
"""The journal: each request is one DBOS workflow on SQLite, named `{chainId}-{escrow}-{requestId}`.

After a crash, finished steps are not repeated; an interrupted step is. Repeating it is harmless:
the escrow ends each request once, and the same request gives the same answer. Chain state remains
the source of truth: the journal only saves work, and losing it loses no request.
"""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from dbos import DBOS, DBOSConfig, SetWorkflowID

from oracle.errors import JournalUnreadable
from oracle.records import Ended
from oracle.request.journal_format import JsonSerializer
from teetee.chain.types.requests import RequestStatus
from teetee.protocol.identifiers import RequestId

# Part of the journal's format: a process continues only what the same version started.
FORMAT_VERSION = "1"
WORKFLOW = "serve-request"
CONCLUDE = 3  # number of the step that ends a request on chain; see `Journal._serve`

_ACTIVE = ("PENDING", "ENQUEUED", "DELAYED")
_FINISHED = ("SUCCESS", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "CANCELLED")

Json = Mapping[str, Any]


class Steps(Protocol):
    """The steps of one request. Each takes and returns plain JSON without plaintext."""

    def fetch(self, request_id: int) -> Json | None:
        """The opening, or None when the request does not exist."""

    def answer(self, opening: Json) -> Json:
        """The outcome: an answer, a refusal, or neither."""

    def conclude(self, opening: Json, outcome: Json) -> Json:
        """How the request ended on chain."""

    def credit(self, opening: Json, ended: Json) -> Json:
        """The amounts that the stages were credited."""


class JournalStatus(Enum):
    """What the journal knows about a request."""

    ABSENT = "absent"
    ACTIVE = "active"
    ENDED = "ended"
    VANISHED = "vanished"  # the chain no longer had it when its work ended
    FAILED = "failed"  # an error in this program ended its work


class Journal:
    """Call `open` first; it also continues the work that an earlier process left."""

    def __init__(self, *, data_directory: Path, chain_id: int, escrow: str, steps: Steps) -> None:
        self._directory = data_directory
        self._prefix = f"{chain_id}-{escrow}-"
        self._steps = steps
        self._workflow: Any = None

    def open(self) -> None:
        """Starts the journal. `data_directory` exists and belongs to this process alone."""
        config: DBOSConfig = {
            "name": "teetee-oracle",
            "system_database_url": f"sqlite:///{self._directory / 'journal.sqlite'}",
            "serializer": JsonSerializer(),
            "application_version": FORMAT_VERSION,
            "executor_id": "oracle",
            "enable_otlp": False,
            "log_level": "WARNING",
            # DBOS's notifications are not used; a short interval lets the process end soon.
            "notification_listener_polling_interval_sec": 0.1,
        }
        DBOS(config=config)

        def serve(
            request_id: int,
        ) -> Json:  # DBOS sets attributes on the function, and a bound method takes none
            return self._serve(request_id)

        self._workflow = DBOS.workflow(name=WORKFLOW)(serve)
        DBOS.launch()

    def close(self) -> None:
        """Ends the journal's threads; unfinished work stays in it."""
        DBOS.destroy(destroy_registry=True)

    def start(self, request_id: RequestId) -> None:
        """Starts the work on a request; does nothing if it has started before."""
        with SetWorkflowID(self._prefix + str(request_id)):
            DBOS.start_workflow(self._workflow, int(request_id))

    def restart(self, request_id: RequestId, *, from_start: bool) -> None:
        """Restarts a request that is finished here but open on chain.

        With `from_start` it is answered again; otherwise the answer in the journal is posted again.
        """
        step = 1 if from_start else CONCLUDE
        DBOS.rewind_workflow(self._prefix + str(request_id), start_step=step)

    def status(self, request_id: RequestId) -> JournalStatus:
        """What the journal knows about a request."""
        status = DBOS.get_workflow_status(self._prefix + str(request_id))
        if status is None:
            return JournalStatus.ABSENT
        if status.status in _ACTIVE:
            return JournalStatus.ACTIVE
        if status.status != "SUCCESS":
            return JournalStatus.FAILED
        has_vanished = _ended(status.output).status is RequestStatus.NONE
        return JournalStatus.VANISHED if has_vanished else JournalStatus.ENDED

    def active_count(self) -> int:
        """How many requests are in work or waiting."""
        return len(self._list(_ACTIVE))

    def finished(self) -> list[RequestId]:
        """Requests whose work is finished and which are not deleted yet."""
        return self._list(_FINISHED)

    def delete(self, request_id: RequestId) -> None:
        """Deletes a request whose end is final, so that the disk does not fill."""
        DBOS.delete_workflow(self._prefix + str(request_id))

    def _serve(self, request_id: int) -> Json:
        # The order of the steps is part of the journal's format; CONCLUDE counts them.
        opening = DBOS.run_step({"name": "fetch"}, self._steps.fetch, request_id)
        if opening is None:
            return Ended(RequestStatus.NONE, None).to_json()
        outcome = DBOS.run_step({"name": "answer"}, self._steps.answer, opening)
        ended = DBOS.run_step({"name": "conclude"}, self._steps.conclude, opening, outcome)
        DBOS.run_step({"name": "credit"}, self._steps.credit, opening, ended)
        return ended

    def _list(self, statuses: tuple[str, ...]) -> list[RequestId]:
        found = DBOS.list_workflows(
            status=list(statuses),
            workflow_id_prefix=self._prefix,
            load_input=False,
            load_output=False,
        )
        return [RequestId(int(one.workflow_id.removeprefix(self._prefix))) for one in found]


def _ended(output: object) -> Ended:
    if not isinstance(output, Mapping):
        raise JournalUnreadable(what="an end that this program did not write")
    return Ended.from_json(output)

# SPDX-License-Identifier: Apache-2.0
"""The journal: each request is one DBOS workflow on SQLite, named `{chainId}-{escrow}-{requestId}`.

What was done is not done again after a crash; what was being done is done again. That is harmless
because the escrow ends each request once, and because the same request gives the same answer. Chain
state stays the truth: the journal only spares work, and losing it loses no request.
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

# Part of the journal's format: a process takes up only what the same version has begun.
FORMAT_VERSION = "1"
WORKFLOW = "serve-request"
CONCLUDE = 3  # number of the step which ends a request on chain; see `Journal._serve`

_HELD = ("PENDING", "ENQUEUED", "DELAYED")
_OVER = ("SUCCESS", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "CANCELLED")

Json = Mapping[str, Any]


class Steps(Protocol):
    """The work on one request. Each step takes and returns plain JSON without plaintext."""

    def fetch(self, request_id: int) -> Json | None:
        """What was asked; None: the request is not there."""

    def answer(self, opening: Json) -> Json:
        """What was made of it."""

    def conclude(self, opening: Json, made: Json) -> Json:
        """How it ended on chain."""

    def credit(self, opening: Json, ended: Json) -> Json:
        """What everybody was credited."""


class Standing(Enum):
    """What the journal knows of a request."""

    ABSENT = "absent"
    HELD = "held"
    ENDED = "ended"
    VANISHED = "vanished"  # it was not on chain when it was looked for
    FAILED = "failed"  # a fault of this program ended the work on it


class Journal:
    """`open` before anything else; work that a former process left begins again by itself."""

    def __init__(self, *, data_directory: Path, chain_id: int, escrow: str, steps: Steps) -> None:
        self._directory = data_directory
        self._prefix = f"{chain_id}-{escrow}-"
        self._steps = steps
        self._workflow: Any = None

    def open(self) -> None:
        """Starts; `data_directory` is there and nobody else's."""
        config: DBOSConfig = {
            "name": "teetee-oracle",
            "system_database_url": f"sqlite:///{self._directory / 'journal.sqlite'}",
            "serializer": JsonSerializer(),
            "application_version": FORMAT_VERSION,
            "executor_id": "oracle",
            "enable_otlp": False,
            "log_level": "WARNING",
            # Nothing here waits for DBOS's messages; a short turn only lets the process end soon.
            "notification_listener_polling_interval_sec": 0.1,
        }
        DBOS(config=config)

        def serve(
            request_id: int,
        ) -> Json:  # DBOS marks what it is given, and a method takes no mark
            return self._serve(request_id)

        self._workflow = DBOS.workflow(name=WORKFLOW)(serve)
        DBOS.launch()

    def close(self) -> None:
        """Ends the journal's threads; work that has not ended stays in it."""
        DBOS.destroy(destroy_registry=True)

    def start(self, request_id: RequestId) -> None:
        """Begins the work on a request; nothing happens if it has begun before."""
        with SetWorkflowID(self._prefix + str(request_id)):
            DBOS.start_workflow(self._workflow, int(request_id))

    def again(self, request_id: RequestId, *, from_start: bool) -> None:
        """Takes up a request that had ended here but is open on chain.

        `from_start` also makes a new answer; otherwise the one in the journal is posted again.
        """
        step = 1 if from_start else CONCLUDE
        DBOS.rewind_workflow(self._prefix + str(request_id), start_step=step)

    def standing(self, request_id: RequestId) -> Standing:
        """What the journal knows of a request."""
        status = DBOS.get_workflow_status(self._prefix + str(request_id))
        if status is None:
            return Standing.ABSENT
        if status.status in _HELD:
            return Standing.HELD
        if status.status != "SUCCESS":
            return Standing.FAILED
        ended = self._ended(status.output)
        return Standing.VANISHED if ended is RequestStatus.NONE else Standing.ENDED

    def held(self) -> int:
        """How many requests are in work."""
        found = DBOS.list_workflows(
            status=list(_HELD),
            workflow_id_prefix=self._prefix,
            load_input=False,
            load_output=False,
        )
        return len(found)

    def over(self) -> list[RequestId]:
        """Requests whose work has ended and which have not been forgotten."""
        found = DBOS.list_workflows(
            status=list(_OVER),
            workflow_id_prefix=self._prefix,
            load_input=False,
            load_output=False,
        )
        return [RequestId(int(one.workflow_id.removeprefix(self._prefix))) for one in found]

    def forget(self, request_id: RequestId) -> None:
        """Deletes a request whose end is final, so that the disk does not fill."""
        DBOS.delete_workflow(self._prefix + str(request_id))

    def _serve(self, request_id: int) -> Json:
        # The order of the steps is the journal's format; CONCLUDE counts them.
        opening = DBOS.run_step({"name": "fetch"}, self._steps.fetch, request_id)
        if opening is None:
            return Ended(RequestStatus.NONE, None).to_json()
        made = DBOS.run_step({"name": "answer"}, self._steps.answer, opening)
        ended = DBOS.run_step({"name": "conclude"}, self._steps.conclude, opening, made)
        DBOS.run_step({"name": "credit"}, self._steps.credit, opening, ended)
        return ended

    def _ended(self, output: object) -> RequestStatus:
        if not isinstance(output, Mapping):
            raise JournalUnreadable(what="an end that it did not write")
        return Ended.from_json(output).status

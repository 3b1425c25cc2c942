# SPDX-License-Identifier: Apache-2.0
"""What the dispatcher knows of one open request."""

import enum
from dataclasses import dataclass, field, replace

from oracle.records import Answered, Opening, Outcome, Refused
from oracle.request.answer_pool import AnswerTask
from oracle.request.decision import Facts
from oracle.request.decline_pace import Due
from teetee.chain.types.requests import DeclineReason, Request
from teetee.protocol.identifiers import RequestId, ShardId


class Progress(enum.Enum):
    """How far the work on a request is."""

    SEEN = "seen"  # known by its number
    RECEIVING = "receiving"  # its envelope is being fetched
    WAITING = "waiting"  # its envelope is here; nothing is under way
    RUNNING = "running"  # a thread computes its answer
    POSTING = "posting"  # its ending is being sent
    POSTED = "posted"  # its ending is confirmed; the chain is yet to show it


@dataclass(slots=True)
class RequestWork:
    """Only the dispatcher's thread changes it. Nothing of it is on disk but the answer."""

    request: Request
    seen_at: int
    """Number of the block at which it was first seen."""
    progress: Progress = Progress.SEEN
    opening: Opening | None = None
    received_at: float = 0.0
    """When its envelope was here, on the dispatcher's clock."""
    answered: Answered | None = None
    is_restored: bool = False
    """Whether the answer comes from the journal, whose disk the host controls."""
    rejected: bool = False
    refused: DeclineReason | None = None
    last_failure: DeclineReason = DeclineReason.OVERLOADED
    not_before: int = 0
    """Number of the look before which nothing is tried again."""
    no_work_before: int = 0
    """Number of the look before which it is left to its other recipients."""
    pathless_since: float | None = None
    """Since when the requester's own choice of shards leaves no path, on the dispatcher's clock."""
    task: AnswerTask | None = field(default=None, repr=False)

    @property
    def request_id(self) -> RequestId:
        """Its number."""
        return self.request.request_id

    @property
    def has_place(self) -> bool:
        """Whether it uses one of the places: its envelope opens, it is not refused, and its
        requester's own choice leaves it a path.
        """
        return self.opening is not None and self.refused is None and self.pathless_since is None

    def is_primary(self, shard_id: ShardId) -> bool:
        """Whether that shard's bond answers for it."""
        return self.request.recipients[0] == shard_id

    @property
    def is_alone(self) -> bool:
        """Whether no other recipient can answer it."""
        return len(self.request.recipients) == 1

    @property
    def is_busy(self) -> bool:
        """Whether another thread has it."""
        return self.progress in (Progress.RECEIVING, Progress.RUNNING, Progress.POSTING)

    def is_same(self, present: Request) -> bool:
        """Whether `present`, read later, is the same request by contract state."""
        return (
            present is self.request or replace(present, status=self.request.status) == self.request
        )

    def due(self) -> Due:
        """For `DeclinePace`."""
        request = self.request
        second_turn = None if self.is_alone else request.takeover_at(1)
        return Due(request.request_id, request.opened_at, request.deadline, second_turn)

    def facts(self, now: int, shard_id: ShardId, last_call: int | None) -> Facts:
        """For `decide`."""
        return Facts(
            now=now,
            shard_id=shard_id,
            answered=self.answered is not None,
            rejected=self.rejected,
            refused=self.refused,
            last_failure=self.last_failure,
            last_call=last_call,
        )

    def take_outcome(self, outcome: Outcome | None) -> None:
        """Keep what there is for it."""
        match outcome:
            case Answered():
                self.answered = outcome
            case Refused(reason):
                self.refuse(reason)

    def refuse(self, reason: DeclineReason) -> None:
        """This enclave will not answer it, so the envelope is dropped. The first reason counts."""
        self.refused = self.refused or reason
        self.opening = None
        if self.progress is Progress.WAITING:
            self.progress = Progress.SEEN

    def hand_on(self, no_work_before: int) -> None:
        """Give its place away."""
        self.opening, self.progress = None, Progress.SEEN
        self.no_work_before = no_work_before

    def start_over(self, not_before: int) -> None:
        """Nothing is under way; the next step is taken at that look."""
        self.progress = Progress.SEEN if self.opening is None else Progress.WAITING
        self.not_before = not_before
        self.task = None

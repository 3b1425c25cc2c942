# SPDX-License-Identifier: Apache-2.0
"""A prompt on this entry's paths, over a runtime in memory. No chain, envelope or request occurs.

given messages
    they should become token ids; what the model cannot read should be rejected
given a job
    it should give text in pieces, and a completion with receipts for the id that it names
    its caps should bound the run; a prompt beyond them should be rejected before a run
given a path that breaks
    it should let the runtime continue without the failed shard, and record the failure
given a caller that cancels
    it should end the run, and say whether a path or capacity was missing
given a process that stops
    it should end the run, and say so
"""

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from oracle.inference.errors import (
    Blocker,
    InferenceStopped,
    JobCancelled,
    NoPath,
    NoPermittedPath,
    PromptRejected,
    PromptTooLong,
)
from oracle.inference.inference import Inference
from oracle.inference.job import Completion, InferenceJob
from oracle.process.logs import open_log
from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import (
    CacheFull,
    ContextOverflow,
    EntryClosed,
    RunCancelled,
    StageFailed,
    StageSilent,
    TokenUnknown,
)
from teetee.protocol.identifiers import RequestId
from teetee.protocol.prompt import Message, Sampling
from tests.oracle.inference.fake_runtime import (
    DOMAIN,
    ENTRY,
    LAST,
    REPLICA,
    TEXT,
    FakeEntry,
    FakePaths,
)

# A session's request id is a hash; nothing here reads it as a number on chain.
REQUEST_ID = RequestId(int.from_bytes(b"h" * 32))
MESSAGES = (Message("system", "be brief"), Message("user", "why"))


class Desk:
    """An `Inference` with its fakes."""

    def __init__(self) -> None:
        self.entry = FakeEntry()
        self.paths = FakePaths()
        self.abandon = threading.Event()
        self.inference = Inference(
            entry=self.entry, paths=self.paths, abandon=self.abandon, log=open_log()
        )
        self.pieces: list[str] = []

    def run(self, **changes: Any) -> Completion:
        return self.inference.run(job(**changes), self.pieces.append)


def job(token_ids: Sequence[int] = (1, 2, 3), **changes: Any) -> InferenceJob:
    values: dict[str, Any] = {
        "request_id": REQUEST_ID,
        "salt_of": lambda hop: bytes([hop]) * 32,
        "token_ids": token_ids,
        "sampling": Sampling(max_tokens=50, seed=5),
        "max_input_tokens": 10,
        "max_output_tokens": 20,
        "expires_at": 1_100,
        "is_cancelled": lambda: False,
    }
    return InferenceJob(**(values | changes))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_encode__messages__gives_token_ids(desk: Desk) -> None:
    assert list(desk.inference.encode(MESSAGES)) == [0, 1, 2]


def test_encode__model_cannot_read_them__rejects_the_prompt(desk: Desk) -> None:
    desk.entry.check_error = ContextOverflow(9, 8)
    with pytest.raises(PromptRejected, match="9"):
        desk.inference.encode(MESSAGES)


def test_run__path_holds__gives_text_and_a_completion_bound_to_the_id(desk: Desk) -> None:
    completion = desk.run()
    assert desk.pieces == [TEXT]
    assert (completion.text, completion.token_ids, completion.finish_reason) == (
        TEXT,
        (7, 8),
        "stop",
    )
    assert (completion.input_tokens, completion.output_tokens) == (3, 2)
    (signed,) = completion.receipts
    assert signed.receipt.request_id == REQUEST_ID
    assert signed.recover(DOMAIN)
    (run,) = desk.entry.runs
    assert run["path"] == (ENTRY, REPLICA)
    assert run["salts"] == tuple(bytes([hop]) * 32 for hop in range(3))
    assert desk.paths.until == {1_100}


def test_run__caps_are_lower_than_the_sampling__bound_the_run(desk: Desk) -> None:
    desk.run()
    desk.run(sampling=Sampling(max_tokens=7, seed=6))
    asked = [(run["sampling"].max_tokens, run["sampling"].seed) for run in desk.entry.runs]
    assert asked == [(20, 5), (7, 6)]


def test_run__prompt_is_longer_than_its_cap__rejects_it_before_a_run(desk: Desk) -> None:
    with pytest.raises(PromptTooLong) as caught:
        desk.run(token_ids=range(11))
    assert (caught.value.tokens, caught.value.limit) == (11, 10)
    assert desk.entry.runs == []


def test_run__token_is_unknown__rejects_the_prompt(desk: Desk) -> None:
    desk.entry.plan = [TokenUnknown(32)]
    with pytest.raises(PromptRejected):
        desk.run()


def test_run__path_breaks__takes_another_and_records_the_failure(desk: Desk) -> None:
    desk.entry.plan = [StageFailed(1, REPLICA, AbortReason.LINK_LOST), None]
    assert desk.run().text == TEXT
    assert [run["path"] for run in desk.entry.runs] == [(ENTRY, REPLICA), (ENTRY, LAST)]
    assert desk.paths.failed == [REPLICA]


def test_a8__link_of_two_stages_was_lost__others_avoid_the_pair_alone(desk: Desk) -> None:
    desk.entry.plan = [StageSilent((REPLICA, LAST), 2.8)]
    with pytest.raises(JobCancelled):
        desk.run()
    assert (desk.paths.failed, desk.paths.parted) == ([], [(REPLICA, LAST)])


def test_a8__requester_named_the_shards__their_failure_stays_with_its_job(desk: Desk) -> None:
    desk.entry.plan = [StageFailed(1, REPLICA, AbortReason.LINK_LOST), None]
    assert desk.run(names_shards=True).text == TEXT
    assert (desk.paths.failed, desk.paths.parted) == ([], [])


def test_run__no_path_to_begin_with__says_so_before_a_run(desk: Desk) -> None:
    desk.paths.has_path = False
    with pytest.raises(NoPath) as caught:
        desk.run()
    assert (caught.value.model_id, caught.value.layers) == (1, 4)
    assert desk.entry.runs == []


@pytest.mark.parametrize(
    ("plan", "blocker"),
    [
        pytest.param([RunCancelled()], Blocker.CAPACITY, id="while it runs"),
        pytest.param(
            [StageSilent((REPLICA,), 1.2), RunCancelled()], Blocker.PATH, id="after a failure"
        ),
        pytest.param(
            [StageFailed(1, REPLICA, AbortReason.CACHE_FULL), RunCancelled()],
            Blocker.CAPACITY,
            id="after a full stage",
        ),
        pytest.param([StageSilent((REPLICA, LAST), 60.0)], Blocker.PATH, id="without a replica"),
    ],
)
def test_run__job_is_cancelled__says_what_it_lacked(
    desk: Desk, plan: list[Exception | None], blocker: Blocker
) -> None:
    desk.entry.plan = plan
    with pytest.raises(JobCancelled) as caught:
        desk.run()
    assert caught.value.blocker is blocker


def test_run__next_attempt_is_cancelled_before_its_path_works__still_lacks_a_path(
    desk: Desk,
) -> None:
    desk.entry.plan = [StageSilent((REPLICA,), 1.2), RunCancelled()]
    desk.entry.is_pathless_at_once = True
    with pytest.raises(NoPermittedPath):
        desk.run(permits=lambda shard_id: shard_id == REPLICA)
    with pytest.raises(JobCancelled) as caught:
        desk.run()
    assert caught.value.blocker is Blocker.PATH


def test_run__caller_cancels__ends_the_run(desk: Desk) -> None:
    with pytest.raises(JobCancelled):
        desk.run(is_cancelled=lambda: True)
    assert len(desk.entry.runs) == 1


def test_run__process_abandons_it__says_that_it_stops(desk: Desk) -> None:
    desk.abandon.set()
    with pytest.raises(InferenceStopped):
        desk.run()


def test_run__runtime_is_closed__says_that_the_process_stops(desk: Desk) -> None:
    desk.entry.plan = [EntryClosed()]
    with pytest.raises(InferenceStopped):
        desk.run()


def test_run__runtime_cannot_run_it_now__passes_its_error_on(desk: Desk) -> None:
    desk.entry.plan = [CacheFull(2, 1, 2)]
    with pytest.raises(CacheFull):
        desk.run()


def test_repr__of_a_job__shows_no_prompt() -> None:
    shown = repr(job(token_ids=(4_711,), sampling=Sampling(max_tokens=5, seed=815)))
    assert "4711" not in shown
    assert "815" not in shown


def test_a3__few_seconds_are_left__runtime_is_asked_to_end_the_answer(desk: Desk) -> None:
    left = 60.0
    desk.run(seconds_left=lambda: left)
    (run,) = desk.entry.jobs
    assert run.is_time_to_end is not None
    assert not run.is_time_to_end()
    left = 2.0
    assert run.is_time_to_end()


@pytest.mark.parametrize(
    ("asked", "paid", "least"),
    [(400, 400, 16), (64, 400, 16), (63, 400, 16), (5, 400, 2), (9, 2, 1)],
)
def test_b5__time_is_over_soon__answer_is_worth_its_prompt_or_there_is_none(
    desk: Desk, asked: int, paid: int, least: int
) -> None:
    desk.run(sampling=Sampling(max_tokens=asked, seed=1), max_output_tokens=paid)
    (run,) = desk.entry.jobs
    assert run.min_tokens == least


def test_a4__own_choice_leaves_no_path__says_that_it_is_the_requesters(desk: Desk) -> None:
    with pytest.raises(NoPermittedPath):
        desk.run(permits=lambda shard_id: shard_id == 4_000_000)
    desk.paths.has_path = False
    with pytest.raises(NoPath) as caught:
        desk.run(permits=lambda shard_id: shard_id == 4_000_000)
    assert not isinstance(caught.value, NoPermittedPath)


def test_a4__permitted_shard_fails_and_stays_away__slot_is_returned_and_its_run_is_named(
    desk: Desk,
) -> None:
    silent = StageSilent((REPLICA,), 1.2)
    desk.entry.plan = [silent, None]
    desk.entry.is_pathless_at_once = True
    with pytest.raises(NoPermittedPath):
        desk.run(permits=lambda shard_id: shard_id == REPLICA)
    (first,) = desk.entry.jobs
    assert first.max_pathless_seconds < 10
    desk.run()
    assert REPLICA in desk.entry.jobs[-1].earlier_shards

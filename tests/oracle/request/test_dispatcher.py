# SPDX-License-Identifier: Apache-2.0
"""The life of requests in an entry, over the real journal and a chain in memory.

given an open request whose turn has come
    it should be answered and settled
    when the prompt is at fault, or no path exists until time runs out: it should be declined
    when the deadline passes in silence: it should be refunded
given several settlements at the same time
    they should share a transaction; a wrong one should not hold back the others
given an escrow that refuses the settlement
    it should be declined before the deadline
given a chain that is down for a while, or hides its events
    the entry should wait and then continue
given another party that ends the request first
    it should accept that end
given a stop in the middle
    the next start should continue, and settle once
given a reorganisation
    that takes the settlement back: it should be posted again, without a new answer
    that takes a decline back in the last seconds: it should be sent again at once
    that puts another request under the number: the old answer should never be posted
"""

from oracle.records import Refused
from teetee.chain.types.requests import DeclineReason, RequestStatus
from teetee.protocol.identifiers import ShardId
from tests.oracle.fake_chain import SHARD, FakeChain
from tests.oracle.workbench import Bench

OTHER = ShardId(2)


def test_dispatcher__request_is_open__is_answered_and_settled_once(
    bench: Bench, chain: FakeChain
) -> None:
    number = chain.open()
    bench.until_over(number)
    assert chain.status(number) is RequestStatus.SETTLED
    assert chain.sent == [("settle", 1)]
    assert bench.answerer.attempts == [1]


def test_dispatcher__prompt_is_at_fault__is_declined(bench: Bench, chain: FakeChain) -> None:
    bench.answerer.result = lambda _: Refused(DeclineReason.INVALID)
    number = chain.open()
    bench.until_over(number)
    assert chain.sent == [("decline INVALID", 1)]


def test_dispatcher__no_path_until_time_runs_out__is_declined_with_that_reason(
    bench: Bench, chain: FakeChain
) -> None:
    bench.answerer.has_path = False
    number = chain.open(window=100)
    bench.until(lambda: bench.answerer.pathless > 0, "an attempt to find a path")
    chain.mine(1, seconds=86)
    bench.until_over(number)
    assert chain.sent == [("decline NO_PATH", 1)]


def test_dispatcher__path_comes_back_in_time__is_settled(bench: Bench, chain: FakeChain) -> None:
    bench.answerer.has_path = False
    number = chain.open()
    bench.until(lambda: bench.answerer.pathless > 0, "an attempt to find a path")
    bench.answerer.has_path = True
    bench.until_over(number)
    assert chain.status(number) is RequestStatus.SETTLED


def test_dispatcher__deadline_passed_in_silence__is_refunded_after_the_grace(
    bench: Bench, chain: FakeChain
) -> None:
    number = chain.open(window=100)
    chain.mine(1, seconds=130)
    bench.looks()
    assert chain.sent == [], "the requester comes first"
    chain.mine(1, seconds=1)
    bench.until_over(number)
    assert chain.sent == [("refund", 1)]
    assert bench.answerer.attempts == []


def test_dispatcher__not_its_turn__is_left_to_the_primary_until_then(
    bench: Bench, chain: FakeChain
) -> None:
    number = chain.open(recipients=[OTHER, SHARD], window=200)
    bench.looks()
    assert bench.answerer.attempts == []
    chain.mine(1, seconds=100)
    bench.until_over(number)
    assert chain.status(number) is RequestStatus.SETTLED


def test_dispatcher__several_are_ready__share_one_transaction(
    bench: Bench, chain: FakeChain
) -> None:
    bench.answerer.may_answer.clear()
    numbers = [chain.open(nonce=bytes(31) + bytes([place])) for place in range(3)]
    bench.until(lambda: len(bench.answerer.attempts) == 3, "three requests in work")
    bench.answerer.may_answer.set()
    for number in numbers:
        bench.until_over(number)
    assert sorted(chain.sent) == [("settle", 1), ("settle", 2), ("settle", 3)]
    assert sum(chain.batches) == 3
    assert max(chain.batches) > 1


def test_dispatcher__escrow_refuses_the_settlement__is_declined_when_time_runs_out(
    bench: Bench, chain: FakeChain
) -> None:
    chain.refuses = "StageInactive"
    number = chain.open(window=100)
    works = bench.dispatcher._works
    bench.until(lambda: any(work.rejected for work in works.values()), "the refusal")
    chain.mine(1, seconds=86)
    bench.until_over(number)
    assert chain.sent == [("decline NO_PATH", 1)]


def test_dispatcher__escrow_refuses_for_a_while__is_settled_after_all(
    bench: Bench, chain: FakeChain
) -> None:
    chain.refuses = "StageInactive"
    number = chain.open()
    bench.until(lambda: bench.answerer.attempts == [1], "the answer")
    chain.refuses = None
    bench.until_over(number)
    assert chain.sent == [("settle", 1)]
    assert bench.answerer.attempts == [1]


def test_dispatcher__chain_is_down_while_it_runs__waits_and_settles(
    bench: Bench, chain: FakeChain
) -> None:
    bench.answerer.may_answer.clear()
    number = chain.open()
    bench.until(lambda: bench.answerer.attempts == [1], "the run")
    chain.is_down = True
    bench.answerer.may_answer.set()
    bench.until(lambda: bench.is_answered(number), "the answer")
    chain.is_down = False
    bench.until_over(number)
    assert chain.sent == [("settle", 1)]


def test_dispatcher__node_speaks_for_another_chain__sends_nothing_until_it_is_back(
    bench: Bench, chain: FakeChain
) -> None:
    bench.answerer.may_answer.clear()
    number = chain.open()
    bench.until(lambda: bench.answerer.attempts == [1], "the run")
    chain.node_chain_id = 1
    bench.answerer.may_answer.set()
    bench.until(lambda: bench.is_answered(number), "the answer")
    assert chain.sent == []
    chain.node_chain_id = 31_337
    bench.until_over(number)
    assert chain.sent == [("settle", 1)]


def test_dispatcher__event_is_not_shown_yet__waits_for_it(bench: Bench, chain: FakeChain) -> None:
    chain.shows_events = False
    number = chain.open()
    chain.mine(2)
    assert bench.answerer.attempts == []
    chain.shows_events = True
    bench.until_over(number)
    assert chain.status(number) is RequestStatus.SETTLED


def test_dispatcher__answerer_fails__is_retried(bench: Bench, chain: FakeChain) -> None:
    good, calls = bench.answerer.result, []

    def fail_once(opening: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("the canary sings")
        return good(opening)  # type: ignore[arg-type]

    bench.answerer.result = fail_once  # type: ignore[assignment]
    number = chain.open()
    bench.until_over(number)
    assert chain.sent == [("settle", 1)]


def test_dispatcher__another_recipient_ends_it_first__accepts_that_end(
    bench: Bench, chain: FakeChain
) -> None:
    bench.answerer.may_answer.clear()
    number = chain.open()
    bench.until(lambda: bench.answerer.attempts == [1], "the run")
    chain.decline([number], DeclineReason.NO_PATH)
    bench.answerer.may_answer.set()
    bench.until_over(number)
    assert chain.sent == [("decline NO_PATH", 1)]


def test_restart__while_it_runs__runs_again_and_settles_once(
    bench: Bench, chain: FakeChain
) -> None:
    bench.answerer.may_answer.clear()
    number = chain.open()
    bench.until(lambda: bench.answerer.attempts == [1], "the run")

    def stop_instead(_: object) -> object:
        from oracle.errors import Stopped

        raise Stopped

    good, bench.answerer.result = bench.answerer.result, stop_instead  # type: ignore[assignment]
    bench.end()
    bench.answerer.result = good
    bench._begin()
    bench.until_over(number)
    assert bench.answerer.attempts == [1, 1]
    assert chain.sent == [("settle", 1)]


def test_restart__after_the_answer_was_journaled__settles_that_answer(
    bench: Bench, chain: FakeChain
) -> None:
    chain.refuses = "StageInactive"
    number = chain.open()
    bench.until(lambda: bench.is_answered(number), "the answer")
    bench.restart()
    chain.refuses = None
    bench.until_over(number)
    assert bench.answerer.attempts == [1]
    assert chain.sent == [("settle", 1)]


def test_restart__journal_is_lost__finds_the_open_request_on_chain(
    bench: Bench, chain: FakeChain
) -> None:
    chain.refuses = "StageInactive"
    number = chain.open()
    bench.until(lambda: bench.answerer.attempts == [1], "the answer")
    bench.directory = bench.directory.with_name("fresh")
    bench.restart()
    chain.refuses = None
    bench.until_over(number)
    assert bench.answerer.attempts == [1, 1]
    assert chain.sent == [("settle", 1)]


def test_restart__journal_is_older_than_the_chain__believes_the_chain(
    bench: Bench, chain: FakeChain
) -> None:
    """THREATS row 18: a disk that was set back."""
    chain.refuses = "StageInactive"
    number = chain.open()
    bench.until(lambda: bench.is_answered(number), "the answer")
    bench.end()
    chain.decline([number], DeclineReason.STOPPING)
    chain.refuses = None
    bench._begin()
    bench.looks()
    assert chain.sent == [("decline STOPPING", 1)]


def test_reorganisation__takes_the_settlement_back__posts_the_same_answer_again(
    bench: Bench, chain: FakeChain
) -> None:
    number = chain.open()
    bench.until_over(number)
    chain.reorganise(1)
    assert chain.status(number) is RequestStatus.OPEN
    bench.until(lambda: chain.status(number) is RequestStatus.SETTLED, "the second settlement")
    assert bench.answerer.attempts == [1]
    assert chain.sent == [("settle", 1), ("settle", 1)]


def test_reorganisation__takes_a_decline_back_in_the_last_seconds__declines_again(
    bench: Bench, chain: FakeChain
) -> None:
    bench.answerer.has_path = False
    number = chain.open(window=100)
    bench.until(lambda: bench.answerer.pathless > 0, "an attempt to find a path")
    chain.mine(1, seconds=90)
    bench.until_over(number)
    chain.reorganise(1)
    assert chain.status(number) is RequestStatus.OPEN
    bench.until(lambda: chain.status(number) is RequestStatus.DECLINED, "the second decline")
    assert len(chain.sent) == 2


def test_reorganisation__another_request_takes_the_number__old_answer_is_never_posted(
    bench: Bench, chain: FakeChain
) -> None:
    chain.refuses = "StageInactive"
    number = chain.open(nonce=b"old".ljust(32, b"\0"))
    bench.until(lambda: bench.is_answered(number), "the answer")
    # It looks alike in every field that the contract keeps: only the event tells them apart.
    chain.reorganise(1)
    del chain._versions[-2:]
    assert chain.open(nonce=b"new".ljust(32, b"\0")) == number
    bench.until(lambda: bench.answerer.attempts == [1, 1], "the new answer")
    chain.refuses = None
    bench.until(lambda: chain.status(number) is RequestStatus.SETTLED, "the settlement")
    assert bench.answerer.attempts == [1, 1]


def test_reorganisation__request_vanishes__work_on_it_ends(bench: Bench, chain: FakeChain) -> None:
    chain.refuses = "StageInactive"
    number = chain.open()
    bench.until(lambda: bench.is_answered(number), "the answer")
    chain.reorganise(1)
    bench.looks()
    assert chain.sent == []
    assert not bench.dispatcher._works


def test_prune_finalised__end_is_safe__is_forgotten(bench: Bench, chain: FakeChain) -> None:
    number = chain.open()
    bench.until_over(number)
    bench.watcher.prune_finalised()
    assert bench.is_answered(number), "its end is not final yet"
    chain.mine(4)
    bench.watcher.prune_finalised()
    assert not bench.is_answered(number)


def test_journal__on_disk__holds_no_exception_text(bench: Bench, chain: FakeChain) -> None:
    def fail(_: object) -> object:
        raise ValueError("the canary sings")

    bench.answerer.result = fail  # type: ignore[assignment]
    number = chain.open(window=100)
    bench.until(lambda: bool(bench.answerer.attempts), "a try")
    chain.mine(1, seconds=86)
    bench.until_over(number)
    files = [file for file in bench.directory.rglob("*") if file.is_file()]
    assert any(file.stat().st_size for file in files)
    assert not any(b"canary" in file.read_bytes() for file in files)

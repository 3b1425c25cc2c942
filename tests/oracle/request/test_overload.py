# SPDX-License-Identifier: Apache-2.0
"""More requests than an entry can answer, requests that end elsewhere, and disks that fail, over
the real journal and a chain in memory. The same with real processes: tests/oracle/never_silent.

given more requests than there are places, or than the time allows
    those beyond should be declined at once, many in a transaction, or left to other recipients
    envelopes that do not open should take no place
given a requester with all places
    another one's first request should get one of them, unless it does not open or has no path
given a request that ends elsewhere
    its run should stop at once
given a disk that fails, or a step that raises
    requests should be answered all the same
given many that wait
    the chain should be read once for each block
"""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import oracle.request.dispatcher
import tests.oracle.workbench
from oracle.inference.errors import NoPermittedPath
from oracle.records import Opening, Outcome, Refused
from oracle.request.dispatcher import LOOKS_AFTER_HANDING_ON
from oracle.request.journal import FILE_NAME
from teetee.chain.types.requests import DeclineReason, RequestStatus
from teetee.protocol.identifiers import RequestId, ShardId
from tests.oracle.fake_chain import SHARD, FakeChain
from tests.oracle.workbench import GARBAGE, Bench, answered

OTHER = ShardId(2)
WALLET = "0x0000000000000000000000000000000000005678"


# -- more requests than can be answered --------------------------------------------------------


@pytest.fixture
def busy(tmp_path: Path, chain: FakeChain) -> Iterator[Bench]:
    """One that computes one request at a time, has two places, and does not finish."""
    bench = Bench(tmp_path / "data", chain, slots=1, places=2)
    bench.answerer.may_answer.clear()
    yield bench
    bench.end()


def open_many(chain: FakeChain, count: int, **terms: object) -> list[RequestId]:
    return [chain.open(nonce=place.to_bytes(32), **terms) for place in range(count)]  # type: ignore[arg-type]


def test_c2__more_than_there_are_places__declines_the_rest_at_once_in_one_transaction(
    busy: Bench, chain: FakeChain
) -> None:
    numbers = open_many(chain, 300, window=3_600)
    busy.until(lambda: len(chain.sent) == 298, "298 declines")
    assert {what for what, _ in chain.sent} == {"decline OVERLOADED"}
    assert max(chain.declines) == 200
    busy.answerer.may_answer.set()
    for number in numbers[:2]:
        busy.until_over(number)
    assert [chain.status(number) for number in numbers[:2]] == [RequestStatus.SETTLED] * 2


def test_c2__envelopes_that_do_not_open__take_no_place(busy: Bench, chain: FakeChain) -> None:
    """They used to hold all places until shortly before their deadline, an hour away."""
    garbage = open_many(chain, 64, envelope=GARBAGE, recipients=[SHARD, OTHER], window=3_600)
    busy.looks()
    honest = open_many(chain, 2, window=3_600)
    busy.until(lambda: bool(busy.answerer.attempts), "the run of an honest request")
    busy.answerer.may_answer.set()
    for number in honest:
        busy.until_over(number)
        assert chain.status(number) is RequestStatus.SETTLED
    assert all(chain.is_open(number) for number in garbage), "they are left to the other"
    chain.mine(1, seconds=3_400)

    def have_ended() -> bool:
        chain.mine(1)
        busy.looks(2)
        return not any(map(chain.is_open, garbage))

    busy.until(have_ended, "their declines")
    assert [what for what, _ in chain.sent].count("decline UNREADABLE") == 64


def test_c2__no_place_is_free_and_others_follow__is_left_to_them(
    busy: Bench, chain: FakeChain
) -> None:
    open_many(chain, 2, window=3_600)
    handed_on = chain.open(recipients=[SHARD, OTHER], window=100)
    busy.looks(12)
    assert chain.is_open(handed_on)
    chain.mine(1, seconds=90)
    busy.until(lambda: not chain.is_open(handed_on), "its decline")
    assert ("decline OVERLOADED", int(handed_on)) in chain.sent


def test_c2__queue_takes_longer_than_a_request_has__is_declined_before_its_deadline(
    tmp_path: Path, chain: FakeChain
) -> None:
    bench = Bench(tmp_path / "data", chain, slots=1, places=8)
    bench.dispatcher._run_time.record(40.0)
    bench.answerer.may_answer.clear()
    numbers = open_many(chain, 3, window=100)
    bench.until(lambda: chain.sent == [("decline OVERLOADED", 3)], "the third one's decline")
    assert [chain.is_open(number) for number in numbers] == [True, True, False]
    bench.end()


def test_b1__sixty_that_the_primary_cannot_open__second_keeps_its_time(
    bench: Bench, chain: FakeChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their paced declines used to end what the second one had streamed for half of the window."""
    both = [SHARD, OTHER]
    monkeypatch.setattr(bench.answerer, "screen", lambda _: Refused(DeclineReason.UNREADABLE))
    streamed = open_many(chain, 4, recipients=both, window=3_600)
    monkeypatch.setattr(tests.oracle.workbench, "SHARD", OTHER)
    second = Bench(tmp_path / "second", chain)
    second.answerer.may_answer.clear()
    chain.mine(1, seconds=1_830)
    second.until(lambda: len(second.answerer.attempts) == 4, "the second one's runs")
    open_many(chain, 60, recipients=both, window=2_000)
    bench.until(lambda: len(bench.dispatcher._works) == 64, "all of them")
    (deadline, *_) = sorted(chain._versions[-1].requests[number].deadline for number in streamed)
    for left in (120, 62):
        chain.mine(1, seconds=deadline - left - chain.head().timestamp)
        bench.looks()
        second.looks()
        assert second.answerer.cancelled == []
    chain.mine(1, seconds=12)
    second.until(lambda: len(second.answerer.cancelled) == 4, "its own end of time")
    bench.looks()
    assert all(map(chain.is_open, streamed)), "there is time to settle what was streamed"
    second.end()


@pytest.mark.parametrize("is_seen_late", [False, True], ids=["seen at once", "seen late"])
def test_a1__eight_hundred_with_one_deadline__all_are_declined_before_it(
    bench: Bench, chain: FakeChain, is_seen_late: bool
) -> None:
    """They used to wait for their last 15 s, and 200 of them missed the deadline."""
    numbers = []
    chain.is_down = True  # its blocks are this test's alone
    for place in range(800):
        window = 2_000 - 2 * place
        numbers.append(
            chain.open(
                envelope=GARBAGE,
                recipients=[SHARD, OTHER],
                window=window,
                nonce=place.to_bytes(32),
            )
        )
    (deadline,) = {chain._versions[-1].requests[number].deadline for number in numbers}
    now = chain._versions[-1].block.timestamp
    if is_seen_late:
        chain.mine(1, seconds=deadline - 60 - now)
    chain.is_down = False
    if is_seen_late:
        bench.looks(2)
        assert chain.sent == [], "the second one may be at work"
    else:
        bench.until(lambda: len(chain.sent) > 100, "the declines of those without room")
        assert chain.head().timestamp < deadline - 200, "before the second one's turn"
    chain.mine(1, seconds=deadline - 40 - chain.head().timestamp)
    while any(map(chain.is_open, numbers)) and chain.head().timestamp < deadline - 10:
        chain.mine()
        bench.looks(2)
    assert not any(map(chain.is_open, numbers))
    assert max(chain.declines) > 100


def test_a4__only_shards_that_give_no_path__hold_no_place_and_are_declined_after_a_grace(
    tmp_path: Path, chain: FakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "data", chain, slots=1, places=4)

    def answer(opening: Opening, **_: object) -> Outcome:
        if opening.request_id <= 3:
            raise NoPermittedPath(model_id=1, layers=4)
        return answered(opening.request_id)

    bench.answerer.answer = answer  # type: ignore[method-assign,assignment]
    works = bench.dispatcher._works
    pathless = open_many(chain, 3, window=3_600)
    bench.until(
        lambda: sum(work.pathless_since is not None for work in works.values()) == 3,
        "their attempts",
    )
    honest = open_many(chain, 4, window=3_600)
    for number in honest:
        bench.until_over(number)
        assert chain.status(number) is RequestStatus.SETTLED
    assert all(map(chain.is_open, pathless)), "shards may come back"
    monkeypatch.setattr(oracle.request.dispatcher, "PATHLESS_SECONDS", 0.0)
    for number in pathless:
        bench.until_over(number)
    assert [what for what, _ in chain.sent].count("decline NO_PATH") == 3
    bench.end()


@pytest.mark.parametrize("others", [(), (OTHER,)], ids=["alone", "with another recipient"])
def test_b4__one_wallet_has_all_places__first_request_of_another_gets_one(
    tmp_path: Path, chain: FakeChain, others: tuple[ShardId, ...]
) -> None:
    """It used to be turned away: turns held for slots, not for places."""
    bench = Bench(tmp_path / "data", chain, slots=2, places=8)
    for _ in range(31):
        bench.dispatcher._run_time.record(1.0)
    bench.answerer.may_answer.clear()
    many = open_many(chain, 8, window=3_600, recipients=(SHARD, *others))
    works = bench.dispatcher._works
    bench.until(lambda: sum(work.has_place for work in works.values()) == 8, "8 places")
    honest = chain.open(window=3_600, nonce=b"h" * 32, requester=WALLET)
    bench.until(lambda: honest in works and works[honest].has_place, "a place")
    bench.looks(6)
    assert all(works[number].has_place for number in many[:-1])
    if others:
        assert not works[many[-1]].has_place
        assert chain.sent == [], "the last one is left to the other"
    else:
        assert chain.sent == [("decline OVERLOADED", int(many[-1]))]
    bench.answerer.may_answer.set()
    bench.until_over(honest)
    assert chain.status(honest) is RequestStatus.SETTLED
    bench.end()


def test_b4__envelope_of_a_newcomer_does_not_open__takes_no_place_from_others(
    busy: Bench, chain: FakeChain
) -> None:
    numbers = open_many(chain, 2, window=3_600)
    works = busy.dispatcher._works
    busy.until(lambda: sum(work.has_place for work in works.values()) == 2, "2 places")
    garbage = chain.open(envelope=GARBAGE, window=3_600, nonce=b"g" * 32, requester=WALLET)
    busy.until(lambda: not chain.is_open(garbage), "its decline")
    assert chain.sent == [("decline UNREADABLE", int(garbage))]
    assert all(works[number].has_place for number in numbers)


def test_b4__own_choice_of_shards_gives_no_path_while_all_slots_are_busy__has_no_place(
    busy: Bench, chain: FakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to be found at its first attempt, for which it had to get a slot."""
    running = chain.open(window=3_600)
    busy.until(lambda: busy.answerer.attempts == [running], "the run")

    def screen(opening: Opening) -> Refused | None:
        raise NoPermittedPath(model_id=1, layers=4)

    monkeypatch.setattr(busy.answerer, "screen", screen)
    pathless = chain.open(window=3_600, nonce=b"p" * 32)
    works = busy.dispatcher._works
    busy.until(lambda: pathless in works and works[pathless].opening is not None, "its envelope")
    assert not works[pathless].has_place
    assert chain.is_open(pathless), "shards may come back"
    monkeypatch.setattr(oracle.request.dispatcher, "PATHLESS_SECONDS", 0.0)
    busy.until(lambda: not chain.is_open(pathless), "its decline")
    assert chain.sent == [("decline NO_PATH", int(pathless))]


def test_b4__envelope_that_does_not_open__is_not_kept_in_memory(
    busy: Bench, chain: FakeChain
) -> None:
    number = chain.open(envelope=GARBAGE, recipients=[SHARD, OTHER], window=3_600)
    works = busy.dispatcher._works
    busy.until(lambda: number in works and works[number].refused is not None, "its refusal")
    busy.looks(LOOKS_AFTER_HANDING_ON + 2)
    assert works[number].opening is None
    assert works[number].refused is DeclineReason.UNREADABLE
    assert chain.is_open(number)


# -- requests that end elsewhere ---------------------------------------------------------------


def test_h5__request_ends_elsewhere__its_run_stops_at_once(busy: Bench, chain: FakeChain) -> None:
    number = chain.open(window=3_600)
    busy.until(lambda: busy.answerer.attempts == [1], "the run")
    chain.decline([number], DeclineReason.UNREADABLE)
    busy.until(lambda: busy.answerer.cancelled == [1], "the end of the run")
    assert not busy.is_answered(number)
    following = chain.open(window=3_600)
    busy.until(lambda: busy.answerer.attempts == [1, 2], "a free slot")
    assert chain.is_open(following)


def test_dispatcher__run_hangs_beyond_its_time__is_declined_all_the_same(
    busy: Bench, chain: FakeChain
) -> None:
    def hang(opening: object, **_: object) -> Outcome:
        busy.answerer.may_answer.wait(20)
        return Refused(DeclineReason.OVERLOADED)

    busy.answerer.answer = hang  # type: ignore[method-assign,assignment]
    number = chain.open(window=100)
    busy.until(lambda: bool(busy.dispatcher._running), "the run")
    chain.mine(1, seconds=90)
    busy.until(lambda: chain.sent == [("decline OVERLOADED", int(number))], "the decline")


# -- a disk that fails -------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "in mid-answer"])
def test_h13__disk_is_full__request_is_settled_all_the_same(
    bench: Bench, chain: FakeChain, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill() -> None:
        def full(*_: object) -> object:
            raise sqlite3.OperationalError("database or disk is full")

        bench.journal.close()
        monkeypatch.setattr(bench.journal, "_connect", full)

    bench.answerer.may_answer.clear()
    if when == "before":
        fill()
    number = chain.open()
    bench.until(lambda: bench.answerer.attempts == [1], "the run")
    if when == "in mid-answer":
        fill()
    bench.answerer.may_answer.set()
    bench.until_over(number)
    assert chain.status(number) is RequestStatus.SETTLED
    monkeypatch.undo()
    bench.journal.flush()
    assert bench.is_answered(number), "it is written when the disk allows it"


def test_h13__step_fails_in_any_way__request_is_taken_up_again(
    bench: Bench, chain: FakeChain
) -> None:
    """Whatever raises, an open request always has work under way."""
    chain.fails_openings = True
    number = chain.open()
    bench.looks()
    assert bench.answerer.attempts == []
    chain.fails_openings = False
    bench.until_over(number)
    assert chain.status(number) is RequestStatus.SETTLED


def test_restart__journaled_answer_is_forged__is_computed_again(
    bench: Bench, chain: FakeChain
) -> None:
    chain.refuses = "StageInactive"
    number = chain.open()
    bench.until(lambda: bench.is_answered(number), "the answer")
    bench.end()
    with sqlite3.connect(bench.directory / FILE_NAME) as database:
        database.execute("UPDATE answers_v1 SET answer = 'forged'")
    chain.refuses = None
    bench._begin()
    bench.until_over(number)
    assert bench.answerer.attempts == [1, 1]
    assert chain.sent == [("settle", 1)]


# -- reads -------------------------------------------------------------------------------------


def test_h7__sixty_four_requests_wait__one_read_for_each_block(
    tmp_path: Path, chain: FakeChain
) -> None:
    threads = threading.active_count()
    bench = Bench(tmp_path / "data", chain, slots=1, places=64)
    bench.answerer.may_answer.clear()
    open_many(chain, 64, window=3_600)
    bench.until(lambda: len(bench.dispatcher._works) == 64, "64 requests")
    bench.looks()
    before = chain.reads
    for _ in range(5):
        chain.mine()
        bench.looks(2)
    assert chain.reads - before == 5
    assert threading.active_count() - threads < 20
    bench.end()

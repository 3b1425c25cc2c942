# SPDX-License-Identifier: Apache-2.0
"""For which requests a stage computes (review finding H9).

given a request that is open and names the path's entry as a recipient
    it should permit a run within the caps, a second one beside it, and a few runs' worth in all
given a request that is unknown, ended, of another model, of another entry, or smaller than the run
    it should refuse
given a request that the chain shows a moment later
    it should wait for it, and permit the run then
given a request that ends while its run is open
    it should end the run
given a chain that cannot be read
    it should refuse
"""

from typing import Any

import pytest

from oracle.chain import request_guard
from oracle.chain.heads import Heads
from oracle.chain.request_guard import (
    MAX_OPEN_RUNS,
    MAX_OPEN_RUNS_PER_SOURCE,
    MAX_RUNS_WORTH,
    MAX_UNDECIDED_PER_SOURCE,
    MAX_UNSEEN_PER_SOURCE,
    RECHECK_SECONDS,
    UNSEEN_SECONDS,
    ChainRequestGuard,
)
from oracle.process.logs import open_log
from shard_runtime import RunTerms
from shard_runtime.errors import TooManyRuns
from teetee.chain.types.requests import DeclineReason
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from tests.oracle.fake_chain import CHAIN_ID, SHARD, FakeChain

OTHER_ENTRY = ShardId(5)
CAPS = 200


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Guarded:
    """A guard over a chain in memory, with the verdicts that it verdicts."""

    def __init__(self) -> None:
        self.chain, self.clock = FakeChain(), Clock()
        self.heads = Heads(blocks=self.chain, chain_id=CHAIN_ID, stale_after=0, clock=self.clock)
        self.guard = ChainRequestGuard(
            reader=self.chain, heads=self.heads, clock=self.clock, log=open_log()
        )
        self.verdicts: list[tuple[RunTerms, bool]] = []

    def check(self, terms: RunTerms) -> bool | None:
        return self.guard.check(terms, lambda verdict: self.verdicts.append((terms, verdict)))

    def decide(self, terms: RunTerms) -> bool | None:
        """The verdict at once or after one poll."""
        if (verdict := self.check(terms)) is not None:
            return verdict
        self.guard.poll()
        return next((verdicts for of, verdicts in self.verdicts if of is terms), None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_guard, "PAUSE_SECONDS", 0.001)


@pytest.fixture
def guarded() -> Guarded:
    return Guarded()


def terms(number: int = 1, **changes: Any) -> RunTerms:
    values = {
        "request_id": RequestId(number),
        "model_id": ModelId(1),
        "entry": SHARD,
        "sender": SHARD,
        "capacity": CAPS,
    }
    return RunTerms(**(values | changes))


def test_h9__request_is_open_and_names_the_entry__permits_it_and_knows_it_then(
    guarded: Guarded,
) -> None:
    guarded.chain.open()
    assert guarded.decide(terms()) is True
    assert guarded.check(terms()) is True  # from memory


@pytest.mark.parametrize(
    "changes",
    [{"model_id": ModelId(2)}, {"entry": OTHER_ENTRY}, {"capacity": CAPS + 1}],
    ids=["another model", "not a recipient", "more than the caps"],
)
def test_h9__run_is_not_what_was_paid__refuses(guarded: Guarded, changes: dict[str, Any]) -> None:
    guarded.chain.open()
    assert guarded.decide(terms(**changes)) is False


def test_h9__request_has_ended_or_its_deadline_has_passed__refuses(guarded: Guarded) -> None:
    ended = guarded.chain.open()
    guarded.chain.decline([ended], DeclineReason.OVERLOADED)
    assert guarded.decide(terms(ended)) is False
    late = guarded.chain.open(window=10)
    guarded.chain.mine(10)
    assert guarded.decide(terms(late)) is False


def test_h9__entry_was_shown_an_invented_request__refuses_when_its_time_is_up(
    guarded: Guarded,
) -> None:
    invented = terms(99)
    assert guarded.decide(invented) is None
    guarded.clock.now += UNSEEN_SECONDS + 1
    guarded.guard.poll()
    assert guarded.verdicts == [(invented, False)]


def test_h9__many_invented_requests__wait_for_few_of_them(guarded: Guarded) -> None:
    invented = [terms(number) for number in range(90, 90 + MAX_UNSEEN_PER_SOURCE + 3)]
    assert [guarded.check(each) for each in invented] == [None] * len(invented)
    guarded.guard.poll()
    assert guarded.verdicts == [(each, False) for each in invented[MAX_UNSEEN_PER_SOURCE:]]


def test_h9__block_arrives_a_moment_later__permits_it_then(guarded: Guarded) -> None:
    early = terms()
    assert guarded.decide(early) is None
    guarded.chain.open()
    guarded.guard.poll()
    assert guarded.verdicts == [(early, True)]


def test_h9__second_recipient_before_its_turn__waits_for_it(guarded: Guarded) -> None:
    guarded.chain.open(recipients=(SHARD, OTHER_ENTRY), window=100)
    second = terms(entry=OTHER_ENTRY)
    assert guarded.decide(second) is None
    guarded.chain.mine(25)
    guarded.guard.poll()
    assert guarded.verdicts == [(second, True)]


def test_h9__one_request_opens_many_runs_at_once__permits_two(guarded: Guarded) -> None:
    guarded.chain.open()
    first = terms()
    assert guarded.decide(first) is True
    assert guarded.check(terms()) is True
    with pytest.raises(TooManyRuns):
        guarded.check(terms())
    guarded.guard.run_ended(first, 0)
    assert guarded.check(terms()) is True


def test_h9__one_request_is_computed_again_and_again__permits_a_few_times_its_caps(
    guarded: Guarded,
) -> None:
    guarded.chain.open()
    for _ in range(MAX_RUNS_WORTH):
        run = terms()
        assert guarded.decide(run) is True
        guarded.guard.run_ended(run, CAPS)
    assert guarded.decide(terms()) is False
    assert guarded.decide(terms(capacity=1)) is False


def test_h9__runs_that_broke_early__cost_only_what_was_computed(guarded: Guarded) -> None:
    guarded.chain.open()
    for _ in range(10 * MAX_RUNS_WORTH):
        run = terms()
        assert guarded.decide(run) is True
        guarded.guard.run_ended(run, 1)


def test_h9__one_entry_opens_many_runs__permits_its_share(guarded: Guarded) -> None:
    numbers = [
        guarded.chain.open(recipients=(SHARD, OTHER_ENTRY), window=10_000)
        for _ in range(MAX_OPEN_RUNS_PER_SOURCE + 1)
    ]
    for number in numbers[:-1]:
        assert guarded.decide(terms(number)) is True
    with pytest.raises(TooManyRuns):
        guarded.check(terms(numbers[-1]))
    assert guarded.check(terms(numbers[-1], entry=OTHER_ENTRY)) is None


MIDDLE = ShardId(7)


def test_a7__a_middle_stage_opens_runs_in_an_entrys_name__the_entrys_own_runs_are_permitted(
    guarded: Guarded,
) -> None:
    number = guarded.chain.open()
    for _ in range(MAX_OPEN_RUNS):
        assert guarded.decide(terms(number, sender=MIDDLE)) is True
    with pytest.raises(TooManyRuns):
        guarded.check(terms(number, sender=MIDDLE))
    assert guarded.check(terms(number)) is True


def test_a7__a_middle_stage_uses_up_what_a_request_pays_for__not_what_comes_another_way(
    guarded: Guarded,
) -> None:
    number = guarded.chain.open()
    for _ in range(MAX_RUNS_WORTH):
        forged = terms(number, sender=MIDDLE)
        assert guarded.decide(forged) is True
        guarded.guard.run_ended(forged, CAPS)
    assert guarded.decide(terms(number, sender=MIDDLE)) is False
    assert guarded.decide(terms(number)) is True


def test_a7__a_middle_stage_invents_requests_in_an_entrys_name__holds_no_place_of_the_entry(
    guarded: Guarded,
) -> None:
    number = guarded.chain.open()
    for invented in range(1000, 1000 + MAX_UNDECIDED_PER_SOURCE):
        assert guarded.check(terms(invented, sender=MIDDLE)) is None
    with pytest.raises(TooManyRuns):
        guarded.check(terms(2000, sender=MIDDLE))
    assert guarded.decide(terms(number)) is True


def test_a7__unseen_requests_of_an_entry__count_apart_from_its_permitted_runs(
    guarded: Guarded,
) -> None:
    numbers = [guarded.chain.open() for _ in range(MAX_OPEN_RUNS_PER_SOURCE)]
    for number in numbers[:-1]:
        assert guarded.decide(terms(number)) is True
    for invented in range(1000, 1000 + MAX_UNSEEN_PER_SOURCE):
        assert guarded.check(terms(invented)) is None
    assert guarded.decide(terms(numbers[-1])) is True


def test_h9__request_ends_while_its_run_is_open__ends_the_run(guarded: Guarded) -> None:
    number = guarded.chain.open()
    run = terms(number)
    assert guarded.decide(run) is True
    guarded.chain.decline([number], DeclineReason.OVERLOADED)
    guarded.guard.poll()
    assert guarded.verdicts == [(run, True)]
    guarded.clock.now += RECHECK_SECONDS + 1
    guarded.guard.poll()
    assert guarded.verdicts == [(run, True), (run, False)]


def test_h9__chain_cannot_be_read__refuses_when_its_time_is_up(guarded: Guarded) -> None:
    guarded.chain.open()
    assert guarded.decide(terms()) is True
    guarded.chain.is_down = True
    guarded.clock.now += RECHECK_SECONDS + 1
    later = terms()
    assert guarded.decide(later) is None
    guarded.clock.now += UNSEEN_SECONDS + 1
    guarded.guard.poll()
    assert guarded.verdicts[-1] == (later, False)


def test_h9__requests_are_past__forgets_them(guarded: Guarded) -> None:
    run = terms(guarded.chain.open(window=10))
    assert guarded.decide(run) is True
    guarded.guard.run_ended(run, 5)
    guarded.chain.mine(20)
    current = terms(guarded.chain.open())
    assert guarded.decide(current) is True
    guarded.guard.poll()
    assert list(guarded.guard._records) == [current.request_id]

# SPDX-License-Identifier: Apache-2.0
"""The watcher over a chain and a journal in memory.

given open requests
    for this shard, confirmed and due
        it should start each once, oldest first, as many as the journal has places for
    not confirmed, not due, for others, or ended
        it should not start them
    over several pages
        it should find all of them
given an open request that the journal knows
    it should not start an active one, post an ended one again, and restart a vanished or failed one
given the safe block
    it should delete requests whose end is final, and start later polls behind them
    before the contracts' first block
        it should not read the contracts
given a node that fails during a poll
    it should raise, and the next poll should find the same requests
"""

from dataclasses import dataclass, field

import pytest

import oracle.request.watcher
from oracle.chain.heads import Heads
from oracle.process.logs import open_log
from oracle.request.decision import Timing
from oracle.request.journal import JournalStatus
from oracle.request.watcher import Watcher
from teetee.chain.errors import RpcUnavailable
from teetee.chain.types.requests import DeclineReason
from teetee.protocol.identifiers import RequestId, ShardId
from tests.oracle.fake_chain import CHAIN_ID, SAFE_DEPTH, SHARD, FakeChain

OTHER = ShardId(2)


@dataclass
class FakeJournal:
    """Records its calls; `knows` is the status of each request."""

    knows: dict[RequestId, JournalStatus] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)

    def start(self, request_id: RequestId) -> None:
        self.calls.append(("start", request_id))
        self.knows[request_id] = JournalStatus.ACTIVE

    def restart(self, request_id: RequestId, *, from_start: bool) -> None:
        self.calls.append(("from start" if from_start else "post again", request_id))
        self.knows[request_id] = JournalStatus.ACTIVE

    def status(self, request_id: RequestId) -> JournalStatus:
        return self.knows.get(request_id, JournalStatus.ABSENT)

    def active_count(self) -> int:
        return sum(standing is JournalStatus.ACTIVE for standing in self.knows.values())

    def finished(self) -> list[RequestId]:
        return [number for number, one in self.knows.items() if one is not JournalStatus.ACTIVE]

    def delete(self, request_id: RequestId) -> None:
        self.calls.append(("delete", request_id))
        del self.knows[request_id]


class Watching:
    """A watcher with its fakes."""

    def __init__(self, *, confirmations: int = 0, max_active: int = 8) -> None:
        self.chain = FakeChain()
        self.journal = FakeJournal()
        self.heads = Heads(blocks=self.chain, chain_id=CHAIN_ID, stale_after=0, clock=lambda: 0.0)
        self.watcher = Watcher(
            blocks=self.chain,
            reader=self.chain,
            heads=self.heads,
            journal=self.journal,
            shard_id=SHARD,
            confirmations=confirmations,
            max_active_requests=max_active,
            timing=Timing(decline_margin=15, refund_grace=30),
            log=open_log(),
        )

    def poll(self) -> list[tuple[str, int]]:
        """The calls that one poll makes to the journal."""
        self.journal.calls.clear()
        self.heads.poll()
        self.watcher.poll()
        return list(self.journal.calls)

    def prune_finalised(self) -> list[tuple[str, int]]:
        """The calls that one sweep makes to the journal."""
        self.journal.calls.clear()
        self.watcher.prune_finalised()
        return list(self.journal.calls)


def test_poll__open_and_due__starts_each_once() -> None:
    watching = Watching()
    watching.chain.open()
    watching.chain.open()
    assert watching.poll() == [("start", 1), ("start", 2)]
    assert watching.poll() == []


def test_poll__not_confirmed_yet__waits_for_its_blocks() -> None:
    watching = Watching(confirmations=2)
    watching.chain.open()
    assert watching.poll() == []
    watching.chain.mine(1)
    assert watching.poll() == []
    watching.chain.mine(1)
    assert watching.poll() == [("start", 1)]


def test_poll__younger_chain_than_confirmations__starts_nothing() -> None:
    watching = Watching(confirmations=9)
    watching.chain.open()
    assert watching.poll() == []


def test_poll__for_others_or_ended_or_not_due__leaves_them() -> None:
    watching = Watching()
    watching.chain.open(recipients=[OTHER])
    ended = watching.chain.open()
    watching.chain.decline(ended, DeclineReason.NO_PATH)
    watching.chain.open(recipients=[OTHER, SHARD], window=100)
    assert watching.poll() == []
    watching.chain.mine(1, seconds=50)
    assert watching.poll() == [("start", 3)]


def test_poll__ended_after_the_confirmed_block__is_not_mistaken_for_reopened() -> None:
    watching = Watching(confirmations=1)
    request_id = watching.chain.open()
    watching.chain.mine(1)
    assert watching.poll() == [("start", 1)]
    watching.chain.decline(request_id, DeclineReason.NO_PATH)
    watching.journal.knows[request_id] = JournalStatus.ENDED
    assert watching.poll() == []


def test_poll__more_than_the_journal_has_places_for__starts_the_oldest_and_later_the_rest() -> None:
    watching = Watching(max_active=2)
    for _ in range(3):
        watching.chain.open()
    assert watching.poll() == [("start", 1), ("start", 2)]
    watching.chain.decline(RequestId(1), DeclineReason.NO_PATH)
    watching.journal.knows[RequestId(1)] = JournalStatus.ENDED
    assert watching.poll() == [("start", 3)]


def test_poll__several_pages__finds_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle.request.watcher, "PAGE", 2)
    watching = Watching()
    for _ in range(5):
        watching.chain.open()
    assert watching.poll() == [("start", number) for number in range(1, 6)]


@pytest.mark.parametrize(
    ("standing", "calls"),
    [
        (JournalStatus.ACTIVE, []),
        (JournalStatus.ENDED, [("post again", 1)]),
        (JournalStatus.VANISHED, [("from start", 1)]),
        (JournalStatus.FAILED, [("from start", 1)]),
    ],
    ids=lambda part: part.value if isinstance(part, JournalStatus) else "",
)
def test_poll__open_request_is_known_to_the_journal__goes_by_what_it_knows(
    standing: JournalStatus, calls: list[tuple[str, int]]
) -> None:
    watching = Watching()
    number = watching.chain.open()
    watching.journal.knows[number] = standing
    assert watching.poll() == calls


def test_poll__node_fails_in_the_middle__next_poll_finds_the_same() -> None:
    watching = Watching()
    watching.chain.open()
    watching.heads.poll()
    watching.chain.is_down = True
    with pytest.raises(RpcUnavailable):
        watching.watcher.poll()
    watching.chain.is_down = False
    assert watching.poll() == [("start", 1)]


def test_poll__events_are_dropped__finds_the_request_all_the_same() -> None:
    watching = Watching()
    watching.chain.shows_events = False
    watching.chain.open()
    assert watching.poll() == [("start", 1)]


@pytest.mark.parametrize("depth", [1, 2, 5], ids=lambda depth: f"{depth} blocks deep")
def test_poll__reorganisation_removes_the_request__starts_it_when_it_is_back(depth: int) -> None:
    watching = Watching(confirmations=0)
    watching.chain.mine(5)
    watching.chain.open()
    watching.chain.mine(depth - 1)
    watching.chain.reorganise(depth)
    assert watching.poll() == []
    watching.chain.open()
    assert watching.poll() == [("start", 1)]


def test_prune_finalised__ended_for_good__deletes_it_and_starts_behind_it() -> None:
    watching = Watching()
    first, second = watching.chain.open(), watching.chain.open()
    watching.poll()
    watching.chain.decline(first, DeclineReason.NO_PATH)
    watching.journal.knows[first] = JournalStatus.ENDED
    assert watching.prune_finalised() == [], "its end is not safe yet"
    watching.chain.mine(SAFE_DEPTH)
    assert watching.prune_finalised() == [("delete", 1)]
    assert watching.watcher._pruned_up_to == second - 1
    watching.chain.decline(second, DeclineReason.NO_PATH)
    watching.chain.mine(SAFE_DEPTH)
    watching.prune_finalised()
    third = watching.chain.open()
    assert watching.poll() == [("start", third)]


def test_prune_finalised__safe_block_is_older_than_the_contracts__asks_them_nothing() -> None:
    watching = Watching()
    watching.chain.deployed_at = 10
    number = watching.chain.open()
    watching.journal.knows[number] = JournalStatus.ENDED
    assert watching.prune_finalised() == []

# SPDX-License-Identifier: Apache-2.0
"""The watcher over a chain and a journal in memory.

given open requests
    for this shard, confirmed and due: it should take each once, oldest first, as many as there is
    room for not confirmed, not due, for others, or ended: it should leave them over several pages:
    it should find all of them
given what the journal says of an open request
    in work: left; ended: posted again; vanished or failed: begun anew
given the safe block
    it should forget what ended for good, and begin later looks behind it
    before the contracts' first block: it should not ask them anything
given a node that fails in the middle of a look
    it should raise, and the next look should find the same
"""

from dataclasses import dataclass, field

import pytest

import oracle.request.watcher
from oracle.chain.heads import Heads
from oracle.process.logs import open_log
from oracle.request.decision import Timing
from oracle.request.journal import Standing
from oracle.request.watcher import Watcher
from teetee.chain.errors import RpcUnavailable
from teetee.chain.types.requests import DeclineReason
from teetee.protocol.identifiers import RequestId, ShardId
from tests.oracle.fake_chain import CHAIN_ID, SAFE_DEPTH, SHARD, FakeChain

OTHER = ShardId(2)


@dataclass
class FakeJournal:
    """Remembers what it was told; `knows` is what it says of requests."""

    knows: dict[RequestId, Standing] = field(default_factory=dict)
    told: list[tuple[str, int]] = field(default_factory=list)

    def start(self, request_id: RequestId) -> None:
        self.told.append(("start", request_id))
        self.knows[request_id] = Standing.HELD

    def again(self, request_id: RequestId, *, from_start: bool) -> None:
        self.told.append(("from start" if from_start else "post again", request_id))
        self.knows[request_id] = Standing.HELD

    def standing(self, request_id: RequestId) -> Standing:
        return self.knows.get(request_id, Standing.ABSENT)

    def held(self) -> int:
        return sum(standing is Standing.HELD for standing in self.knows.values())

    def over(self) -> list[RequestId]:
        return [number for number, one in self.knows.items() if one is not Standing.HELD]

    def forget(self, request_id: RequestId) -> None:
        self.told.append(("forget", request_id))
        del self.knows[request_id]


class Watching:
    """A watcher with its fakes."""

    def __init__(self, *, confirmations: int = 0, most: int = 8) -> None:
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
            most=most,
            timing=Timing(),
            log=open_log(),
        )

    def look(self) -> list[tuple[str, int]]:
        """What one look told the journal."""
        self.journal.told.clear()
        self.heads.poll()
        self.watcher.look()
        return list(self.journal.told)

    def close_books(self) -> list[tuple[str, int]]:
        """What one sweep told the journal."""
        self.journal.told.clear()
        self.watcher.close_books()
        return list(self.journal.told)


def test_look__open_and_due__takes_each_once() -> None:
    watching = Watching()
    watching.chain.open()
    watching.chain.open()
    assert watching.look() == [("start", 1), ("start", 2)]
    assert watching.look() == []


def test_look__not_confirmed_yet__waits_for_its_blocks() -> None:
    watching = Watching(confirmations=2)
    watching.chain.open()
    assert watching.look() == []
    watching.chain.mine(1)
    assert watching.look() == []
    watching.chain.mine(1)
    assert watching.look() == [("start", 1)]


def test_look__younger_chain_than_confirmations__takes_nothing() -> None:
    watching = Watching(confirmations=9)
    watching.chain.open()
    assert watching.look() == []


def test_look__for_others_or_ended_or_not_due__leaves_them() -> None:
    watching = Watching()
    watching.chain.open(recipients=[OTHER])
    ended = watching.chain.open()
    watching.chain.decline(ended, DeclineReason.NO_PATH)
    watching.chain.open(recipients=[OTHER, SHARD], window=100)
    assert watching.look() == []
    watching.chain.mine(1, seconds=50)
    assert watching.look() == [("start", 3)]


def test_look__ended_after_the_confirmed_block__is_not_taken_for_reopened() -> None:
    watching = Watching(confirmations=1)
    request_id = watching.chain.open()
    watching.chain.mine(1)
    assert watching.look() == [("start", 1)]
    watching.chain.decline(request_id, DeclineReason.NO_PATH)
    watching.journal.knows[request_id] = Standing.ENDED
    assert watching.look() == []


def test_look__more_than_there_is_room_for__takes_the_oldest_and_comes_back() -> None:
    watching = Watching(most=2)
    for _ in range(3):
        watching.chain.open()
    assert watching.look() == [("start", 1), ("start", 2)]
    watching.chain.decline(RequestId(1), DeclineReason.NO_PATH)
    watching.journal.knows[RequestId(1)] = Standing.ENDED
    assert watching.look() == [("start", 3)]


def test_look__several_pages__finds_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle.request.watcher, "PAGE", 2)
    watching = Watching()
    for _ in range(5):
        watching.chain.open()
    assert watching.look() == [("start", number) for number in range(1, 6)]


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (Standing.HELD, []),
        (Standing.ENDED, [("post again", 1)]),
        (Standing.VANISHED, [("from start", 1)]),
        (Standing.FAILED, [("from start", 1)]),
    ],
    ids=lambda part: part.value if isinstance(part, Standing) else "",
)
def test_look__open_request_is_known_to_the_journal__goes_by_what_it_knows(
    standing: Standing, told: list[tuple[str, int]]
) -> None:
    watching = Watching()
    number = watching.chain.open()
    watching.journal.knows[number] = standing
    assert watching.look() == told


def test_look__node_fails_in_the_middle__next_look_finds_the_same() -> None:
    watching = Watching()
    watching.chain.open()
    watching.heads.poll()
    watching.chain.is_down = True
    with pytest.raises(RpcUnavailable):
        watching.watcher.look()
    watching.chain.is_down = False
    assert watching.look() == [("start", 1)]


def test_look__events_are_dropped__finds_the_request_all_the_same() -> None:
    watching = Watching()
    watching.chain.shows_events = False
    watching.chain.open()
    assert watching.look() == [("start", 1)]


@pytest.mark.parametrize("depth", [1, 2, 5], ids=lambda depth: f"{depth} blocks deep")
def test_look__reorganisation_removes_the_request__takes_it_when_it_is_back(depth: int) -> None:
    watching = Watching(confirmations=0)
    watching.chain.mine(5)
    watching.chain.open()
    watching.chain.mine(depth - 1)
    watching.chain.reorganise(depth)
    assert watching.look() == []
    watching.chain.open()
    assert watching.look() == [("start", 1)]


def test_close_books__ended_for_good__forgets_it_and_begins_behind_it() -> None:
    watching = Watching()
    first, second = watching.chain.open(), watching.chain.open()
    watching.look()
    watching.chain.decline(first, DeclineReason.NO_PATH)
    watching.journal.knows[first] = Standing.ENDED
    assert watching.close_books() == [], "its end is not safe yet"
    watching.chain.mine(SAFE_DEPTH)
    assert watching.close_books() == [("forget", 1)]
    assert watching.watcher._mark == second - 1
    watching.chain.decline(second, DeclineReason.NO_PATH)
    watching.chain.mine(SAFE_DEPTH)
    watching.close_books()
    third = watching.chain.open()
    assert watching.look() == [("start", third)]


def test_close_books__safe_block_is_older_than_the_contracts__asks_them_nothing() -> None:
    watching = Watching()
    watching.chain.deployed_at = 10
    number = watching.chain.open()
    watching.journal.knows[number] = Standing.ENDED
    assert watching.close_books() == []

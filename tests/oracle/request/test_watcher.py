# SPDX-License-Identifier: Apache-2.0
"""The watcher over a chain in memory and a real journal.

given a new block
    it should show this shard's open requests, and how those ended that were open before
given the same block again
    it should show the same without asking the chain
given requests without enough confirmations
    the look should say which time is confirmed
given the finalized block
    it should delete answers whose requests' end is final, and start later looks behind them
    before the contracts' first block
        it should not read the contracts
given a node that fails during a poll
    it should raise, and the next poll should find the same requests
"""

from pathlib import Path

import pytest

from oracle.chain.heads import Heads
from oracle.process.logs import open_log
from oracle.request.dispatcher import Look
from oracle.request.journal import Journal
from oracle.request.watcher import Watcher
from teetee.chain.errors import RpcUnavailable
from teetee.chain.types.requests import DeclineReason, RequestStatus
from teetee.protocol.identifiers import RequestId, ShardId
from tests.oracle.fake_chain import CHAIN_ID, ESCROW, FINAL_DEPTH, SHARD, FakeChain
from tests.oracle.workbench import ACCOUNT, answered

OTHER = ShardId(2)


class Watching:
    """A watcher with its fakes."""

    def __init__(self, folder: Path, *, confirmations: int = 0) -> None:
        self.chain = FakeChain()
        self.journal = Journal(
            data_directory=folder,
            chain_id=CHAIN_ID,
            escrow=ESCROW,
            signer=ACCOUNT.address,
            log=open_log(),
        )
        self.heads = Heads(blocks=self.chain, chain_id=CHAIN_ID, stale_after=0, clock=lambda: 0.0)
        self.looks: list[Look] = []
        self.watcher = Watcher(
            blocks=self.chain,
            reader=self.chain,
            heads=self.heads,
            journal=self.journal,
            shard_id=SHARD,
            confirmations=confirmations,
            on_look=self.looks.append,
        )

    def poll(self) -> dict[int, RequestStatus]:
        """What one look shows."""
        self.heads.poll()
        self.watcher.poll()
        return {int(number): one.status for number, one in self.looks[-1].requests.items()}

    def keep_answer(self, number: RequestId) -> None:
        """As if it had been answered."""
        opening = self.chain._versions[-1].openings[number]
        self.journal.save(opening, answered(number))


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    return Watching(tmp_path)


OPEN = RequestStatus.OPEN


def test_poll__open__shows_own_requests_alone(watching: Watching) -> None:
    watching.chain.open()
    watching.chain.open(recipients=[OTHER])
    watching.chain.open(recipients=[OTHER, SHARD])
    assert watching.poll() == {1: OPEN, 3: OPEN}


def test_poll__ended_since_the_last_look__shows_how_once(watching: Watching) -> None:
    number = watching.chain.open()
    watching.poll()
    watching.chain.decline([number], DeclineReason.NO_PATH)
    assert watching.poll() == {1: RequestStatus.DECLINED}
    watching.chain.mine()
    assert watching.poll() == {}


def test_h7__same_block__asks_nothing(watching: Watching) -> None:
    watching.chain.open()
    watching.poll()
    before = watching.chain.reads
    assert watching.poll() == {1: OPEN}
    assert watching.chain.reads == before


def test_poll__not_confirmed_yet__says_which_time_is(tmp_path: Path) -> None:
    watching = Watching(tmp_path, confirmations=2)
    watching.chain.open()
    for is_confirmed in (False, False, True):
        watching.poll()
        look = watching.looks[-1]
        opened_at = look.requests[RequestId(1)].opened_at
        assert (opened_at <= look.confirmed_time) is is_confirmed
        watching.chain.mine(1)


def test_poll__younger_chain_than_confirmations__confirms_nothing(tmp_path: Path) -> None:
    watching = Watching(tmp_path, confirmations=9)
    watching.chain.open()
    watching.poll()
    assert watching.looks[-1].confirmed_time < 0


def test_poll__node_fails_in_the_middle__next_poll_finds_the_same(watching: Watching) -> None:
    watching.chain.open()
    watching.heads.poll()
    watching.chain.is_down = True
    with pytest.raises(RpcUnavailable):
        watching.watcher.poll()
    watching.chain.is_down = False
    assert watching.poll() == {1: OPEN}


@pytest.mark.parametrize("depth", [1, 2, 5], ids=lambda depth: f"{depth} blocks deep")
def test_poll__reorganisation_removes_the_request__shows_it_when_it_is_back(
    watching: Watching, depth: int
) -> None:
    watching.chain.mine(5)
    watching.chain.open()
    watching.chain.mine(depth - 1)
    watching.poll()
    watching.chain.reorganise(depth)
    assert watching.poll() == {}
    watching.chain.open()
    assert watching.poll() == {1: OPEN}


def test_prune_finalised__ended_for_good__deletes_its_answer_and_starts_behind_it(
    watching: Watching,
) -> None:
    first, second = watching.chain.open(), watching.chain.open()
    for number in (first, second):
        watching.keep_answer(number)
    watching.chain.decline([first], DeclineReason.NO_PATH)
    watching.watcher.prune_finalised()
    assert watching.journal.request_ids() == [first, second], "its end is not final yet"
    watching.chain.mine(FINAL_DEPTH)
    watching.watcher.prune_finalised()
    assert watching.journal.request_ids() == [second]
    assert watching.watcher._pruned_up_to == second - 1
    watching.chain.decline([second], DeclineReason.NO_PATH)
    watching.chain.mine(FINAL_DEPTH)
    watching.watcher.prune_finalised()
    assert watching.journal.request_ids() == []
    assert watching.poll() == {}
    third = watching.chain.open()
    assert watching.poll() == {int(third): OPEN}


def test_prune_finalised__finalized_block_is_older_than_the_contracts__asks_them_nothing(
    watching: Watching,
) -> None:
    watching.chain.deployed_at = 10
    watching.keep_answer(watching.chain.open())
    watching.watcher.prune_finalised()
    assert watching.journal.request_ids() == [1]


def test_a1__five_hundred_are_open__a_look_reads_what_has_changed(watching: Watching) -> None:
    for place in range(500):
        watching.chain.open(nonce=place.to_bytes(32), window=3_600)
    watching.poll()
    assert watching.chain.records_read == 500
    watching.chain.open()
    watching.chain.decline([RequestId(7)], DeclineReason.NO_PATH)
    calls = watching.chain.reads
    shown = watching.poll()
    assert watching.chain.records_read == 502
    assert watching.chain.reads - calls == 2
    assert (len(shown), shown[7]) == (501, RequestStatus.DECLINED)
    watching.chain.mine()
    assert len(watching.poll()) == 500
    assert watching.chain.records_read == 502
    assert watching.chain.reads - calls == 3


def test_a1__reorganisation_gives_the_number_away__is_read_again(watching: Watching) -> None:
    watching.chain.mine(3)
    watching.chain.open(window=100)
    watching.poll()
    watching.chain.reorganise(1)
    watching.chain.open(window=200)
    watching.chain.mine()
    watching.poll()
    request = watching.looks[-1].requests[RequestId(1)]
    assert request.deadline - request.opened_at == 200

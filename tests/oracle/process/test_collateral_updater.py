# SPDX-License-Identifier: Apache-2.0
"""What an enclave does to keep collateral fresh, and what it says about that.

given collateral that the chain lacks, and shards that it changes
    it should say what was brought and what became of the shards
given nothing to bring and nothing to change
    it should say nothing
given a PCCS that does not answer
    it should have the shards judged all the same, and let the loop know
given a shard that cannot be judged
    it should say so
"""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from oracle.process.collateral_updater import Freshness
from oracle.process.logs import open_log
from teetee.chain.contracts.collateral import Kept
from teetee.chain.transactions.sender import Sent
from teetee.chain.types.shards import ShardStatus
from teetee.collateral.rechecks import Recheck
from teetee.collateral.synchronization import Item
from teetee.protocol.identifiers import ShardId
from teetee.quotes.errors import CollateralUnavailable

SENT = Sent(transaction_hash="0x" + "ab" * 32, block_number=7, gas_used=123_456, fee=1, logs=())
ROOT_CRL = Item("root CRL", Kept(0, 0), 10, 20, SENT)
OLD_CRL = Item("platform CRL", Kept(10, 20), 10, 20)
STAYS = Recheck(ShardId(1), ShardStatus.ACTIVE, ShardStatus.ACTIVE)
EVICTED = Recheck(ShardId(2), ShardStatus.ACTIVE, ShardStatus.EVICTED, SENT)
UNJUDGED = Recheck(ShardId(3), ShardStatus.PAUSED, ShardStatus.PAUSED, error="refused")


class FakeUpkeep:
    """Outcomes as given; `failure` in place of the PCCS's answer."""

    def __init__(
        self, items: list[Item], rechecks: list[Recheck], failure: Exception | None = None
    ) -> None:
        self.items, self.rechecks, self.failure = items, rechecks, failure

    def bring(self) -> Iterator[Item]:
        yield from self.items
        if self.failure is not None:
            raise self.failure

    def recheck(self) -> Iterator[Recheck]:
        yield from self.rechecks


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    yield io.StringIO()
    open_log()


def said(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_look__something_newer__says_what_and_what_came_of_it(stream: io.StringIO) -> None:
    upkeep = FakeUpkeep([ROOT_CRL, OLD_CRL], [STAYS, EVICTED])
    Freshness(upkeep, open_log(stream)).look()
    brought, judged = said(stream)
    assert (brought["event"], brought["kind"]) == ("collateral brought", "root-CRL")
    assert (brought["transaction"], brought["gas"]) == (SENT.transaction_hash, 123_456)
    assert (judged["event"], judged["shard_id"]) == ("shard judged anew", 2)
    assert judged["state"] == "EVICTED"


def test_look__nothing_to_do__says_nothing(stream: io.StringIO) -> None:
    Freshness(FakeUpkeep([OLD_CRL], [STAYS]), open_log(stream)).look()
    assert said(stream) == []


def test_look__pccs_is_silent__shards_are_judged_all_the_same(stream: io.StringIO) -> None:
    silent = CollateralUnavailable("https://pccs.example", "no answer in time")
    freshness = Freshness(FakeUpkeep([], [EVICTED], silent), open_log(stream))
    with pytest.raises(CollateralUnavailable):
        freshness.look()
    assert [line["event"] for line in said(stream)] == ["shard judged anew"]


def test_look__a_shard_cannot_be_judged__says_so(stream: io.StringIO) -> None:
    Freshness(FakeUpkeep([], [UNJUDGED, EVICTED]), open_log(stream)).look()
    assert [line["event"] for line in said(stream)] == ["shard not judged", "shard judged anew"]

# SPDX-License-Identifier: Apache-2.0
"""How an enclave keeps collateral fresh, and what it logs.

given collateral that the chain lacks, and shards that it changes
    it should log what was uploaded and what became of the shards
given nothing to bring and nothing to change
    it should say nothing
given a PCCS that does not answer
    it should recheck the shards all the same, and raise to the loop
given a shard that cannot be rechecked
    it should say so
"""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from oracle.process.collateral_updater import CollateralUpdater
from oracle.process.logs import open_log
from teetee.chain.contracts.collateral import StoredCollateral
from teetee.chain.transactions.sender import ConfirmedTransaction
from teetee.chain.types.shards import ShardStatus
from teetee.collateral.rechecks import RecheckOutcome
from teetee.collateral.synchronization import SynchronizedItem
from teetee.protocol.identifiers import ShardId
from teetee.quotes.errors import CollateralUnavailable

SENT = ConfirmedTransaction(
    transaction_hash="0x" + "ab" * 32, block_number=7, gas_used=123_456, fee=1, logs=()
)
ROOT_CRL = SynchronizedItem("root CRL", StoredCollateral(0, 0), 10, 20, SENT)
OLD_CRL = SynchronizedItem("platform CRL", StoredCollateral(10, 20), 10, 20)
STAYS = RecheckOutcome(ShardId(1), ShardStatus.ACTIVE, ShardStatus.ACTIVE)
EVICTED = RecheckOutcome(ShardId(2), ShardStatus.ACTIVE, ShardStatus.EVICTED, SENT)
UNCHECKED = RecheckOutcome(ShardId(3), ShardStatus.PAUSED, ShardStatus.PAUSED, error="refused")


class FakeCollateral:
    """Outcomes as given; `failure` in place of the PCCS's answer."""

    def __init__(
        self,
        items: list[SynchronizedItem],
        rechecks: list[RecheckOutcome],
        failure: Exception | None = None,
    ) -> None:
        self.items, self.rechecks, self.failure = items, rechecks, failure

    def upload_newer(self) -> Iterator[SynchronizedItem]:
        yield from self.items
        if self.failure is not None:
            raise self.failure

    def recheck_shards(self) -> Iterator[RecheckOutcome]:
        yield from self.rechecks


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    yield io.StringIO()
    open_log()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_update__something_newer__says_what_and_what_came_of_it(stream: io.StringIO) -> None:
    collateral = FakeCollateral([ROOT_CRL, OLD_CRL], [STAYS, EVICTED])
    CollateralUpdater(collateral, open_log(stream)).update()
    uploaded, rechecked = lines(stream)
    assert (uploaded["event"], uploaded["kind"]) == ("collateral uploaded", "root-CRL")
    assert (uploaded["transaction"], uploaded["gas"]) == (SENT.transaction_hash, 123_456)
    assert (rechecked["event"], rechecked["shard_id"]) == ("shard rechecked", 2)
    assert rechecked["state"] == "EVICTED"


def test_update__nothing_to_do__says_nothing(stream: io.StringIO) -> None:
    CollateralUpdater(FakeCollateral([OLD_CRL], [STAYS]), open_log(stream)).update()
    assert lines(stream) == []


def test_update__pccs_is_silent__shards_are_rechecked_all_the_same(stream: io.StringIO) -> None:
    silent = CollateralUnavailable("https://pccs.example", "no answer in time")
    updater = CollateralUpdater(FakeCollateral([], [EVICTED], silent), open_log(stream))
    with pytest.raises(CollateralUnavailable):
        updater.update()
    assert [line["event"] for line in lines(stream)] == ["shard rechecked"]


def test_update__a_shard_cannot_be_rechecked__says_so(stream: io.StringIO) -> None:
    CollateralUpdater(FakeCollateral([], [UNCHECKED, EVICTED]), open_log(stream)).update()
    assert [line["event"] for line in lines(stream)] == ["shard not rechecked", "shard rechecked"]

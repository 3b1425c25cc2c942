# SPDX-License-Identifier: Apache-2.0
"""What `/health` and `/metrics` say of chain, nodes, ether, links and transactions.

given a shard's standing
    it should be a reason while it is not enrolled, not active, expired, or the head is stale
    time left of quote and collateral should be exposed, also while the chain cannot be read
given RPC nodes
    each should be exposed by its place in the setting, with its lag, and none by its name
given the signer's balance
    it should warn once when it is low, and be a reason when it pays for no settlement
given links and runs
    they should be exposed by the peer's shard id; the cache in coarse steps
given a transaction's steps
    they should be counted by function, with gas and fees
"""

import io
import json
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from oracle.chain.heads import Heads
from oracle.chain.peers import ChainPeers
from oracle.inference.errors import NoPath
from oracle.operations.funds import READ_SECONDS, SETTLEMENT_GAS, Funds
from oracle.operations.gauges import expose_links, expose_runtime, record_sending
from oracle.operations.metrics import Metrics
from oracle.operations.node_watch import NodeWatch
from oracle.operations.standing import ShardStanding, path_check
from oracle.process.logs import open_log
from shard_runtime import EngineReport, LinkReport, Listener
from teetee.chain.errors import RpcUnavailable
from teetee.chain.nodes.node_states import NodeState
from teetee.chain.transactions.events import SendingEvent, SendingStep
from teetee.chain.transactions.fee_policy import Fees
from teetee.chain.types.blocks import Block
from teetee.protocol.endpoint import ENROL_ALPN, LINK_ALPN
from teetee.protocol.identifiers import ShardId
from tests.oracle.fake_chain import CHAIN_ID, FakeChain
from tests.oracle.operations.test_metrics import value
from tests.oracle.shards import shard, tls

GWEI, ETHER = 10**9, 10**18


class View:
    """Metrics with a log that the test reads."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.log = open_log(self.stream)
        self.metrics = Metrics(self.log)

    def value(self, name: str, **labels: str) -> float | None:
        return value(self.metrics, f"teetee_{name}", **labels)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def view() -> View:
    return View()


# -- standing ----------------------------------------------------------------------------------


class Standing:
    """A shard's standing; the test sets the clock."""

    def __init__(self, view: View) -> None:
        self.chain = FakeChain()
        self.seconds = 0.0
        self.heads = Heads(
            blocks=self.chain, chain_id=CHAIN_ID, stale_after=40, clock=lambda: self.seconds
        )
        self.heads.poll()
        self.standing = ShardStanding(self.heads, view.metrics, unix_time=lambda: 5_000.0)
        now = self.chain.head().timestamp
        self.standing.own = shard(1, attested_until=now + 70, collateral_until=now + 900)

    def reasons(self) -> list[str]:
        return list(self.standing.check())


@pytest.fixture
def standing(view: View) -> Standing:
    return Standing(view)


def test_standing__active_and_fresh__has_no_reason_and_shows_what_is_left(
    standing: Standing, view: View
) -> None:
    assert standing.reasons() == []
    assert view.value("quote_seconds_left") == 70
    assert view.value("collateral_seconds_left") == 900
    assert view.value("head_block") == standing.chain.head().number
    assert view.value("head_age_seconds") == 0


def test_standing__something_is_missing__is_a_reason(standing: Standing) -> None:
    own = standing.standing.own
    assert own is not None
    standing.standing.own = None
    assert standing.reasons() == ["not_enrolled"]
    standing.standing.own = replace(own, is_active=False)
    assert standing.reasons() == ["shard_inactive"]
    standing.standing.own = replace(own, attested_until=1)
    assert standing.reasons() == ["quote_expired"]


def test_standing__no_new_block__is_stale_and_time_left_goes_on(
    standing: Standing, view: View
) -> None:
    standing.seconds = 41
    assert standing.reasons() == ["head_stale"]
    assert view.value("head_age_seconds") == 41
    assert standing.standing.own is not None
    assert view.value("quote_seconds_left") == standing.standing.own.attested_until - 5_000


def test_path_check__no_path__is_a_reason() -> None:
    class Paths:
        has_path = True

        def choose(
            self, *, avoiding: frozenset[ShardId], permits: object, until: int
        ) -> list[ShardId]:
            if not self.has_path:
                raise NoPath(model_id=1, layers=4)
            return [ShardId(1)]

        def record_failure(self, shards: object, pairs: object = ()) -> None: ...

    paths = Paths()
    check = path_check(paths)
    assert list(check()) == []
    paths.has_path = False
    assert list(check()) == ["no_path"]


# -- nodes -------------------------------------------------------------------------------------


@dataclass
class Node:
    """One RPC node."""

    number: int
    is_down: bool = False

    def head(self) -> Block:
        if self.is_down:
            raise RpcUnavailable({"https://key-in-host.node.invalid": "no connection"})
        return Block(self.number, bytes(32), 1_000)


def test_nodes__one_lags_and_one_is_down__are_shown_by_their_places(view: View) -> None:
    nodes = [Node(100), Node(93), Node(0, is_down=True)]
    states = [NodeState("first"), NodeState("second", contradictions=3)]
    watch = NodeWatch(nodes, states=lambda: states, metrics=view.metrics, log=view.log)
    watch.poll()
    assert [view.value("node_contradictions", node=str(place)) for place in (1, 2)] == [0, 3]
    assert [view.value("node_up", node=str(place)) for place in (1, 2, 3)] == [1, 1, 0]
    assert [view.value("node_lag_blocks", node=str(place)) for place in (1, 2)] == [0, 7]
    assert view.value("node_lag_blocks", node="3") is None
    assert "key-in-host" not in view.metrics.expose().decode()


def test_nodes__one_goes_and_comes_back__is_logged_once_each(view: View) -> None:
    nodes = [Node(100), Node(100, is_down=True)]
    watch = NodeWatch(nodes, states=list, metrics=view.metrics, log=view.log)
    for is_down in (True, True, False, False):
        nodes[1].is_down = is_down
        watch.poll()
    events = [(line["event"], line["node"]) for line in view.lines()]
    assert events == [("node does not answer", 2), ("node answers again", 2)]


# -- ether -------------------------------------------------------------------------------------


@dataclass
class Account:
    """Ether, and gas at 1 gwei with a tip of as much."""

    balance: int

    def ether_of(self, address: str) -> int:
        return self.balance

    def base_fee_and_tip(self) -> tuple[int, int]:
        return GWEI, GWEI


def test_funds__balance_falls__warns_once_then_says_that_it_pays_for_nothing(view: View) -> None:
    account, seconds = Account(ETHER), [0.0]
    funds = Funds(
        account,
        "0xsigner",
        warn_below_ether=0.01,
        metrics=view.metrics,
        log=view.log,
        clock=lambda: seconds[0],
    )
    funds.check()
    assert view.value("signer_ether") == 1
    assert view.value("signer_settlements_left") == ETHER // (3 * GWEI * SETTLEMENT_GAS)
    assert view.lines() == []
    for balance in (ETHER // 200, ETHER // 200, 100, 100, ETHER):
        account.balance = balance
        seconds[0] += READ_SECONDS
        funds.check()
        assert list(funds.reasons()) == (["no_ether"] if balance == 100 else [])
    assert [(line["level"], line["event"]) for line in view.lines()] == [
        ("warning", "signer's ether is low: send it some"),
        ("error", "signer cannot pay for a settlement: send it ether"),
    ]
    assert view.lines()[0]["ether"] == 0.005


def test_funds__asked_often__reads_once_a_minute_and_at_once_while_there_is_none(
    view: View,
) -> None:
    account = Account(0)
    funds = Funds(
        account,
        "0xsigner",
        warn_below_ether=0.01,
        metrics=view.metrics,
        log=view.log,
        clock=lambda: 7.0,
    )
    for balance, expected in ((0, 0), (ETHER, 1), (2 * ETHER, 1)):
        account.balance = balance
        funds.check()
        assert view.value("signer_ether") == expected


# -- runtime and links -------------------------------------------------------------------------


@dataclass
class Runtime:
    """A computing thread with one run."""

    used: int

    def report(self) -> EngineReport:
        return EngineReport(
            open_runs=1,
            inbox_frames=2,
            cache_bytes_used=self.used,
            cache_bytes=1000,
            steps=3,
            rows=9,
        )


@pytest.mark.parametrize(("used", "ratio"), [(0, 0), (1, 0.05), (50, 0.05), (51, 0.1), (1000, 1)])
def test_runtime__cache_in_use__is_shown_in_coarse_steps(
    view: View, used: int, ratio: float
) -> None:
    """The exact share would tell the length of a prompt that is alone there."""
    view.metrics.set_source("runtime", expose_runtime(view.metrics, Runtime(used)))
    assert view.value("cache_used_ratio") == ratio
    assert view.value("rows_total") == 9
    assert view.value("runs_open") == 1


class Peers:
    """Two active shards."""

    def active_shards(self) -> list[Any]:
        return [shard(2), shard(3)]


class Connections:
    """A link from shard 3, one from a stranger, and two other connections."""

    def connections(self) -> list[tuple[str | None, bytes | None]]:
        return [(LINK_ALPN, tls(3)), (LINK_ALPN, tls(99)), (ENROL_ALPN, None), (None, None)]


def test_links__to_and_from_peers__are_shown_by_shard_and_strangers_by_count(view: View) -> None:
    read = expose_links(
        view.metrics,
        peers=cast(ChainPeers, Peers()),
        listener=cast(Listener, Connections()),
        outgoing=lambda: {ShardId(2): LinkReport(True, 40), ShardId(3): LinkReport(False, 0)},
    )
    view.metrics.set_source("links", read)
    assert view.value("link_connected", peer="2", direction="out") == 1
    assert view.value("link_connected", peer="3", direction="out") == 0
    assert view.value("link_connected", peer="3", direction="in") == 1
    assert view.value("link_connected", peer="2", direction="in") is None
    assert view.value("link_waiting_bytes", peer="2") == 40
    assert view.value("connections", purpose="link") == 2
    assert view.value("connections", purpose="handshake") == 1
    assert view.value("connections", purpose="stream") == 0
    assert view.value("active_shards") == 2


# -- transactions ------------------------------------------------------------------------------


def test_sending__steps_of_a_settlement__are_counted_with_gas_and_fees(view: View) -> None:
    event = SendingEvent(SendingStep.SENT, "settle", 5, Fees(3 * GWEI, GWEI))
    record_sending(view.metrics, event)
    record_sending(view.metrics, replace(event, step=SendingStep.RAISED, fees=Fees(4 * GWEI, GWEI)))
    record_sending(
        view.metrics,
        replace(event, step=SendingStep.CONFIRMED, gas_used=300_000, fee=300_000 * GWEI),
    )
    for step in ("sent", "raised", "confirmed"):
        assert view.value("transactions_total", function="settle", step=step) == 1
    assert view.value("offered_fee_gwei") == 4
    assert view.value("gas_used_total", function="settle") == 300_000
    assert view.value("fees_ether_total", function="settle") == pytest.approx(0.0003)


def test_sending__function_that_is_not_listed__counts_as_other(view: View) -> None:
    event = SendingEvent(SendingStep.SENT, "transferOwnership", 5, Fees(1, 1))
    record_sending(view.metrics, event)
    assert view.value("transactions_total", function="other", step="sent") == 1

# SPDX-License-Identifier: Apache-2.0
"""The process's one sender (M6, M7).

given the oracle's source
    there should be one place that makes a sender, called once
given the settings
    a decline that is sent when its margin begins should have offered the limit before the deadline
    the limit should be the setting's
given a transaction that is raised, reverted, replaced or given up
    the log should say which, and metrics should count it
"""

import ast
import io
import json
from typing import Any, cast

import pytest
from eth_account import Account

from oracle.operations.metrics import Metrics
from oracle.process.logs import open_log
from oracle.process.sending import build_sender, sending_policy
from oracle.process.settings import Settings
from teetee.chain.connection import Connection
from teetee.chain.transactions.events import SendingEvent, SendingStep
from teetee.chain.transactions.fee_policy import (
    Fees,
    Resend,
    TransactionState,
    Wait,
    next_action,
)
from tests.oracle.operations.test_metrics import value
from tests.source_tree import dotted_name, modules_of

GWEI = 10**9


class GivenSettings:
    """The settings that a sender depends on."""

    def __init__(self, **changes: Any) -> None:
        values = {
            "decline_margin_seconds": 15,
            "settle_timeout_seconds": 60.0,
            "max_fee_gwei": 50.0,
            "poll_seconds": 2.0,
        }
        for name, given in (values | changes).items():
            setattr(self, name, given)


def settings(**changes: Any) -> Settings:
    return cast(Settings, GivenSettings(**changes))


def calls_of(name: str) -> list[str]:
    """The modules of the oracle that call it, once for each call."""
    return [
        dotted_name(path)
        for path in modules_of("oracle")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name
    ]


def test_m7__whole_oracle__makes_one_sender_for_its_key() -> None:
    assert calls_of("TransactionSender") == ["oracle.process.sending"]
    assert calls_of("build_sender") == ["oracle.process.startup"]


@pytest.mark.parametrize("margin", [5, 15, 60, 300])
def test_m6__decline_is_sent_when_its_margin_begins__offers_the_limit_before_the_deadline(
    margin: int,
) -> None:
    policy = sending_policy(settings(decline_margin_seconds=margin))
    offered, sent_at, raised_at = Fees(GWEI // 10, GWEI // 1000), 0, []
    for second in range(1, min(margin, 60)):  # then it is given up
        state = TransactionState(
            seconds_since_first=second,
            seconds_since_last=second - sent_at,
            offered=offered,
            market=Fees(GWEI // 10, GWEI // 1000),
            included_at=None,
            head=1,
        )
        action = next_action(state, policy)
        assert isinstance(action, Resend | Wait)
        if isinstance(action, Resend):
            raised_at.append(second)
            offered, sent_at = action.fees, second
    assert offered.max_fee == 50 * GWEI
    assert raised_at[0] <= margin / 5 + 1
    assert offered.tip < GWEI


def test_m6__limit_of_the_settings__is_the_policys() -> None:
    assert sending_policy(settings(max_fee_gwei=0.25)).max_fee_per_gas == GWEI // 4


def test_report__what_happens_to_a_transaction__is_logged_and_counted() -> None:
    stream = io.StringIO()
    log = open_log(stream)
    metrics = Metrics(log)
    sender = build_sender(
        settings(),
        Connection(["https://node.invalid"], chain_id=31_337),
        Account.from_key(bytes(31) + b"\1"),
        metrics=metrics,
        log=log,
    )
    for step in SendingStep:
        sender._on_event(SendingEvent(step, "decline", 7, Fees(3 * GWEI, GWEI)))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [
        "transaction raised",
        "transaction reverted",
        "transaction replaced",
        "transaction given up",
    ]
    assert {(line["kind"], line["nonce"], line["gwei"]) for line in lines} == {("decline", 7, 3.0)}
    for step in SendingStep:
        name = "teetee_transactions_total"
        assert value(metrics, name, function="decline", step=step.value) == 1
    assert value(metrics, "teetee_max_fee_gwei") == 50
    assert value(metrics, "teetee_transactions_in_flight") == 0

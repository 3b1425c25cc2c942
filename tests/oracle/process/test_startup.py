# SPDX-License-Identifier: Apache-2.0
"""The enclave's connection to its nodes, and its start while they fail.

given a decline margin
    when no node answers a call
        the call should end in time for another one within the margin
given nodes that refuse the first calls with an error of their own
    the start should repeat them, and not end the process
"""

import threading
from typing import Any, cast

import pytest

from oracle.process import startup
from oracle.process.logs import open_log
from oracle.process.settings import Settings
from teetee.chain.errors import RpcRefused, RpcUnavailable


class GivenSettings:
    """What a connection depends on."""

    chain_id = 31_337
    rpc_quorum = None

    def __init__(self, decline_margin_seconds: int) -> None:
        self.decline_margin_seconds = decline_margin_seconds

    def rpc_urls(self) -> list[str]:
        return ["https://node.invalid"]


@pytest.mark.parametrize(("margin", "seconds"), [(15, 7.5), (5, 3.0), (600, 20.0)])
def test_connect__no_node_answers__call_ends_within_half_of_the_decline_margin(
    monkeypatch: pytest.MonkeyPatch, margin: int, seconds: float
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(startup, "Connection", lambda _, **options: given.update(options))
    startup._connect(cast(Settings, GivenSettings(margin)), open_log())
    assert given["timeout_seconds"] == seconds


def test_retry__nodes_fail_and_refuse_first__repeats_until_they_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(startup, "FIRST_RETRY_SECONDS", 0.0)
    failures: list[Exception] = [
        RpcRefused("eth_call", -32603, "internal error"),
        RpcUnavailable({"https://node.invalid": "no connection"}),
    ]

    def read() -> str:
        if failures:
            raise failures.pop()
        return "the head"

    assert startup._Retry(threading.Event(), open_log())("chain", read) == "the head"

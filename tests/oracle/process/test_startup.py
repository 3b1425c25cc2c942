# SPDX-License-Identifier: Apache-2.0
"""The enclave's connection to its nodes.

given a decline margin
    when no node answers a call
        the call should end in time for another one within the margin
"""

from typing import Any, cast

import pytest

from oracle.process import startup
from oracle.process.logs import open_log
from oracle.process.settings import Settings


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

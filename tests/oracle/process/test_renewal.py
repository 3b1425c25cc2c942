# SPDX-License-Identifier: Apache-2.0
"""What the log says about the quote's age.

given a shard whose quote is fresh
    it should say nothing
given one that expires soon, or is not active any more
    it should say what the host has to do, and how many seconds are left
given no shard yet
    it should say nothing
"""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from oracle.chain.heads import Heads
from oracle.process.logs import open_log
from oracle.process.renewal import RenewalWatch
from tests.oracle.fake_chain import CHAIN_ID, FakeChain
from tests.oracle.shards import shard

WARN_BEFORE = 100


class Watching:
    """A watch over one shard's quote."""

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.stream = io.StringIO()
        self.heads = Heads(blocks=self.chain, chain_id=CHAIN_ID, stale_after=0, clock=lambda: 0.0)
        self.watch = RenewalWatch(
            registry=self.chain,
            heads=self.heads,
            warn_before=WARN_BEFORE,
            log=open_log(self.stream),
        )

    def look(self) -> list[dict[str, Any]]:
        self.heads.poll()
        self.watch.look()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def watching() -> Iterator[Watching]:
    yield Watching()
    open_log()


def test_look__not_enrolled_yet__says_nothing(watching: Watching) -> None:
    assert watching.look() == []


def test_look__quote_is_fresh__says_nothing(watching: Watching) -> None:
    until = watching.chain.head().timestamp + 2 + WARN_BEFORE
    watching.chain.enrol(shard(1, attested_until=until))
    assert watching.look() == []


def test_look__quote_expires_soon__warns_with_the_seconds_left(watching: Watching) -> None:
    until = watching.chain.head().timestamp + 2 + WARN_BEFORE - 1
    watching.chain.enrol(shard(1, attested_until=until))
    (line,) = watching.look()
    assert line["event"] == "quote expires soon: run `teetee host renew`"
    assert (line["level"], line["seconds_left"]) == ("warning", WARN_BEFORE - 1)


def test_look__shard_is_not_active__says_so_loudly(watching: Watching) -> None:
    watching.chain.enrol(shard(1, is_active=False))
    (line,) = watching.look()
    assert line["event"] == "shard is not active: run `teetee host renew`"
    assert (line["level"], line["shard_id"]) == ("error", 1)

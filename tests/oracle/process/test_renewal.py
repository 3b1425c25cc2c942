# SPDX-License-Identifier: Apache-2.0
"""What the log says about the quote's age.

given a shard whose quote is fresh
    it should log nothing
given a long-lived quote
    it should warn in its last seconds, as many as are set, and say what the host has to do
given a short-lived quote
    it should warn in the last third of its lifetime only
given a shard that is not active any more
    it should say so as an error
given no shard yet
    it should log nothing
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

WARNING_SECONDS = 100


class Watching:
    """A watch over one shard's quote."""

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.stream = io.StringIO()
        self.heads = Heads(blocks=self.chain, chain_id=CHAIN_ID, stale_after=0, clock=lambda: 0.0)
        self.watch = RenewalWatch(
            registry=self.chain,
            blocks=self.chain,
            heads=self.heads,
            warning_seconds=WARNING_SECONDS,
            log=open_log(self.stream),
        )

    def check(self) -> list[dict[str, Any]]:
        self.heads.poll()
        self.watch.check()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def watching() -> Iterator[Watching]:
    yield Watching()
    open_log()


def test_check__not_enrolled_yet__says_nothing(watching: Watching) -> None:
    assert watching.check() == []


@pytest.mark.parametrize(
    ("lifetime", "warned"), [(1_000, WARNING_SECONDS), (150, 50)], ids=["long-lived", "short-lived"]
)
def test_check__quote_grows_old__warns_in_its_last_seconds_but_not_before_its_last_third(
    watching: Watching, lifetime: int, warned: int
) -> None:
    attested = watching.chain.head()
    until = attested.timestamp + lifetime
    watching.chain.enrol(shard(1, attested_until=until, quoted_block_number=attested.number))
    assert watching.check() == []
    watching.chain.mine(seconds=until - warned - watching.chain.head().timestamp)
    assert watching.check() == [], "the first second of the warning is not reached"
    watching.chain.mine(seconds=1)
    (line,) = watching.check()
    assert line["event"] == "quote expires soon: run `teetee host renew`"
    assert (line["level"], line["seconds_left"]) == ("warning", warned - 1)


def test_check__shard_is_not_active__says_so_loudly(watching: Watching) -> None:
    watching.chain.enrol(shard(1, is_active=False))
    (line,) = watching.check()
    assert line["event"] == "shard is not active: run `teetee host renew`"
    assert (line["level"], line["shard_id"]) == ("error", 1)

# SPDX-License-Identifier: Apache-2.0
"""The newest block.

given a head that was seen
    when an older block is shown, also after a restart
        it should be no progress, and the view expire
    when another block of the same height is shown
        it should be believed, but be no progress
given the file of the highest block
    when it is of another chain, or damaged
        the process should not start
    when the disk is full
        the head should be believed all the same
given nodes that contradict each other
    when they do it often
        the log should say it once in 30 s
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from structlog.typing import FilteringBoundLogger

from oracle.chain.alarm import DisagreementAlarm
from oracle.chain.heads import Heads
from oracle.chain.highest_head import FILE_NAME, StoredHighestHead
from oracle.errors import HeadIsStale, HeadWentBack, StartUpRefused
from oracle.process.logs import open_log
from teetee.chain.errors import NodesDisagree
from teetee.chain.types.blocks import Block
from tests.oracle.fake_chain import CHAIN_ID

STALE_AFTER = 40
NEWEST = Block(100, b"\x01" * 32, 1_000)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class OneHead:
    def __init__(self) -> None:
        self.block = NEWEST

    def chain_id(self) -> int:
        return CHAIN_ID

    def head(self) -> Block:
        return self.block

    def finalized(self) -> Block:
        return self.block

    def at(self, number: int) -> Block | None:
        return self.block if number == self.block.number else None


def stored(folder: Path) -> StoredHighestHead:
    return StoredHighestHead(folder, chain_id=CHAIN_ID, log=open_log())


def heads_of(chain: OneHead, clock: Clock, folder: Path) -> Heads:
    return Heads(
        blocks=chain,
        chain_id=CHAIN_ID,
        stale_after=STALE_AFTER,
        clock=clock,
        highest=stored(folder),
    )


def test_h4__older_block_is_shown__is_no_progress(tmp_path: Path) -> None:
    chain, clock = OneHead(), Clock()
    heads = heads_of(chain, clock, tmp_path)
    heads.poll()
    chain.block = Block(99, b"\x02" * 32, 998)
    clock.now = STALE_AFTER - 1
    with pytest.raises(HeadWentBack):
        heads.poll()
    assert heads.current() == NEWEST
    clock.now = STALE_AFTER + 1
    with pytest.raises(HeadIsStale):
        heads.current()


def test_l6__older_block_is_shown_after_a_restart__is_not_believed(tmp_path: Path) -> None:
    chain, clock = OneHead(), Clock()
    heads_of(chain, clock, tmp_path).poll()
    chain.block = Block(99, b"\x02" * 32, 998)
    restarted = heads_of(chain, clock, tmp_path)
    with pytest.raises(HeadWentBack):
        restarted.poll()
    with pytest.raises(HeadIsStale):
        restarted.current()
    chain.block = Block(101, b"\x03" * 32, 1_002)
    assert restarted.poll() == restarted.current() == chain.block
    assert stored(tmp_path).number == 101


def test_head__same_height_with_other_hashes__is_believed_and_expires(tmp_path: Path) -> None:
    chain, clock = OneHead(), Clock()
    heads = heads_of(chain, clock, tmp_path)
    heads.poll()
    for second in range(1, STALE_AFTER + 1):
        clock.now = float(second)
        chain.block = replace(NEWEST, hash=second.to_bytes(32))
        heads.poll()
        assert heads.current() == chain.block
    clock.now += 1
    with pytest.raises(HeadIsStale):
        heads.current()


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"chainId": CHAIN_ID + 1, "highestBlock": 5}),
        json.dumps({"chainId": CHAIN_ID, "highestBlock": -5}),
        json.dumps([]),
        "",
    ],
)
def test_highest_head__file_of_another_chain_or_damaged__ends_the_start(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(StartUpRefused, match="remove the file"):
        stored(tmp_path)


def test_highest_head__cannot_be_written__is_logged_and_kept_in_memory(tmp_path: Path) -> None:
    highest = stored(tmp_path)
    (tmp_path / FILE_NAME).with_suffix(".new").mkdir()
    highest.raise_to(7)
    assert highest.number == 7


def test_alarm__nodes_contradict_each_other_often__is_logged_once_in_30_s() -> None:
    clock = Clock()
    error = NodesDisagree("eth_call", {"https://a.example": "0x1", "https://b.example": "0x2"}, 2)
    log = Lines()
    alarm = DisagreementAlarm(cast(FilteringBoundLogger, log), clock)
    for second in range(31):
        clock.now = float(second)
        alarm(error)
    assert [line["count"] for line in log.lines] == [1, 30]


class Lines:
    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []

    def error(self, _event: str, **facts: object) -> None:
        self.lines.append(facts)

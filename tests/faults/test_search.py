# SPDX-License-Identifier: Apache-2.0
"""The search for plain text on disk, and the question whether an entry could act.

given a file with a word of an answer, in any usual encoding
    it should be found, also when a log grew since the last search
given the ids of an answer's tokens in a log
    they should be found
given an entry that was down when its time ran out
    it should be excused; not if it was up, nor for another's outage
given two of three nodes that misbehave to an entry
    it should be excused; not for one
"""

import base64
import time
from pathlib import Path

import pytest

from teetee.protocol.answer import Answer
from tests.faults.disk_search import DiskSearch
from tests.faults.outages import Outages
from tests.faults.tiny_model import word

DEADLINE, MARGIN = 1_000, 3


@pytest.mark.parametrize(
    "hidden",
    [
        word(7).encode(),
        word(7).encode("utf-16-le"),
        word(7).encode().hex().encode(),
        base64.b64encode(b"some" + word(7).encode() * 2),
    ],
    ids=["plain", "UTF-16", "hex", "base64"],
)
def test_search__word_in_a_file__is_found(tmp_path: Path, hidden: bytes) -> None:
    search = DiskSearch(tmp_path)
    (tmp_path / "a.log").write_bytes(b"x" * 10_000)
    assert search.search() == []
    with (tmp_path / "a.log").open("ab") as log:
        log.write(b"noise" + hidden + b"noise")
    assert search.search()


def test_search__token_ids__are_found(tmp_path: Path) -> None:
    search = DiskSearch(tmp_path)
    ids = tuple(range(40, 52))
    search.add_answer(Answer("text", ids, "length", 3, len(ids)))
    (tmp_path / "journal").write_bytes(str(list(ids)).encode())
    assert search.search()


@pytest.mark.parametrize(
    ("outage", "is_excused"), [("entry", True), ("chain", True), ("second", False), (None, False)]
)
def test_outages__at_the_deadline__excuse_that_entry(outage: str | None, is_excused: bool) -> None:
    outages = Outages()
    if outage is not None:
        outages.begin(outage)
    outages.sample(DEADLINE - 1)
    assert outages.excuses("entry", DEADLINE, MARGIN) is is_excused


def test_outages__ended_before__excuse_nothing() -> None:
    outages = Outages()
    outages.begin("entry")
    outages.end("entry")
    time.sleep(0.001)
    outages.sample(DEADLINE)
    assert not outages.excuses("entry", DEADLINE, MARGIN)


def test_outages__nodes__excuse_when_a_majority_misbehaves() -> None:
    outages = Outages()
    outages.begin("entry@0")
    outages.sample(DEADLINE)
    assert not outages.excuses("entry", DEADLINE, MARGIN)
    outages.begin("all@2")
    outages.sample(DEADLINE)
    assert outages.excuses("entry", DEADLINE, MARGIN)
    assert not outages.excuses("second", DEADLINE, MARGIN)

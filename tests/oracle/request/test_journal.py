# SPDX-License-Identifier: Apache-2.0
"""Answers on disk, and what becomes of them when the disk fails.

given an answer
    it should be found by exactly its request, also by the next process, until it is deleted
given a full disk, a locked file, or a file that is no database
    answers should stay in memory, and be written when the disk allows it; nothing should raise
given what the host wrote
    it should be ignored
given its files
    they should hold ciphertext alone
"""

import json
import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.process.logs import open_log
from oracle.records import Opening
from oracle.request.journal import FILE_NAME, Journal
from teetee.protocol.identifiers import RequestId
from tests.oracle.fake_chain import CHAIN_ID, ESCROW, FakeChain
from tests.oracle.workbench import ACCOUNT, answered


def open_journal(folder: Path, *, escrow: str = ESCROW) -> Journal:
    return Journal(
        data_directory=folder,
        chain_id=CHAIN_ID,
        escrow=escrow,
        signer=ACCOUNT.address,
        log=open_log(),
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = open_journal(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
def opening() -> Opening:
    chain = FakeChain()
    number = chain.open()
    return chain._versions[-1].openings[number]


def test_find__saved__is_the_answer_also_for_the_next_process(
    journal: Journal, tmp_path: Path, opening: Opening
) -> None:
    assert journal.find(opening) is None
    journal.save(opening, answered(RequestId(1)))
    assert journal.find(opening) == answered(RequestId(1))
    journal.close()
    assert open_journal(tmp_path).find(opening) == answered(RequestId(1))


def test_find__other_request_of_the_same_number__has_none(
    journal: Journal, opening: Opening
) -> None:
    journal.save(opening, answered(RequestId(1)))
    assert journal.find(replace(opening, client_nonce=b"n" * 32)) is None


def test_request_ids__of_another_escrow__are_not_shown(
    journal: Journal, tmp_path: Path, opening: Opening
) -> None:
    other = open_journal(tmp_path, escrow="0x00000000000000000000000000000000000000E6")
    other.save(opening, answered(RequestId(1)))
    assert journal.request_ids() == []
    assert other.request_ids() == [1]
    other.close()


def test_delete__saved__is_gone(journal: Journal, opening: Opening) -> None:
    journal.save(opening, answered(RequestId(1)))
    journal.delete([RequestId(1), RequestId(2)])
    assert journal.find(opening) is None
    assert journal.request_ids() == []


def lock_file(folder: Path) -> Callable[[], None]:
    other = sqlite3.connect(folder / FILE_NAME, isolation_level=None)
    other.execute("CREATE TABLE IF NOT EXISTS other (x)")
    other.execute("BEGIN EXCLUSIVE")
    return other.close


def limit_file_size(_folder: Path) -> Callable[[], None]:
    """As a full disk: no file may grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)


def replace_folder(folder: Path) -> Callable[[], None]:
    aside = folder.with_name("aside")
    folder.rename(aside)
    return lambda: os.rename(aside, folder)


FAULTS = [lock_file, limit_file_size, replace_folder]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("is_open_before", [True, False], ids=["in use", "not opened yet"])
def test_h13__disk_fails__answer_stays_in_memory_and_is_written_later(
    tmp_path: Path,
    opening: Opening,
    fault: Callable[[Path], Callable[[], None]],
    is_open_before: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oracle.request.journal.LOCK_TIMEOUT_SECONDS", 0.05)
    folder = tmp_path / "data"
    folder.mkdir()
    journal = open_journal(folder)
    if is_open_before:
        journal.request_ids()
    mend = fault(folder)
    try:
        journal.save(opening, answered(RequestId(1)))
        assert journal.find(opening) == answered(RequestId(1))
        assert journal.request_ids() == [1]
    finally:
        mend()
    journal.close()
    journal.flush()
    assert not journal._unwritten
    assert open_journal(folder).find(opening) == answered(RequestId(1))


def test_h13__file_is_no_database__is_set_aside(tmp_path: Path, opening: Opening) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"the host wrote this" * 1_000)
    journal = open_journal(tmp_path)
    journal.save(opening, answered(RequestId(1)))
    journal.flush()
    assert not journal._unwritten
    assert (tmp_path / (FILE_NAME + ".damaged")).exists()


@pytest.mark.parametrize(
    "written",
    [
        "",
        "{}",
        "[" * 100_000,
        "7",
        '{"requestId": "2"}',
        "\ud800",
        '{"requestId": 1, "receipts": [{}]}',
    ],
    ids=["empty", "no fields", "deep", "a number", "another request", "a surrogate", "no receipt"],
)
def test_find__host_wrote_something_else__is_ignored(
    journal: Journal, tmp_path: Path, opening: Opening, written: str
) -> None:
    journal.save(opening, answered(RequestId(1)))
    journal.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        value = written.encode("utf-8", "surrogatepass")
        database.execute("UPDATE answers_v1 SET answer = ?", (value,))
    assert journal.find(opening) is None


def test_save__file__is_synchronised_with_the_disk(journal: Journal, opening: Opening) -> None:
    journal.save(opening, answered(RequestId(1)))
    assert journal._connection is not None
    full = 2
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (full,)


@pytest.mark.parametrize(
    "change", [{"inputTokens": 1 << 40}, {"inputTokens": 6}, {"answer": "00"}, {"r": "01" * 32}]
)
def test_a11__host_changes_an_answer__is_ignored(
    journal: Journal, tmp_path: Path, opening: Opening, change: dict[str, object]
) -> None:
    """One whose numbers the ABI cannot encode used to be posted until the deadline, in vain."""
    journal.save(opening, answered(RequestId(1)))
    row = json.dumps(answered(RequestId(1)).to_json() | change)
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        database.execute("UPDATE answers_v1 SET answer = ?", (row,))
    assert journal.find(opening) is None

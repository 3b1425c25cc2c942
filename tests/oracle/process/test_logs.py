# SPDX-License-Identifier: Apache-2.0
"""What reaches stderr.

given a fact that is not on the list, or has not the shape that its name promises
    it should not be written
given an error
    of our tree: its text should be written; of another: its class name alone
given a library that logs
    its text and traceback should not be written, not even at debug level
given our own packages, which log fixed texts
    the text should be written, with the listed facts: which shard, peer or request it is about
given an error that no handler catches, in any thread
    its class should be written, and no traceback
given a stream that cannot be written for a while (a full disk, a closed pipe)
    no call should raise; the first line that is written again should say that lines may be missing
given a stdout that cannot be written
    the ready line should be missed in the log, and the start should go on
"""

import errno
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from structlog.typing import FilteringBoundLogger

from oracle.errors import HeadIsStale
from oracle.process import server
from oracle.process.logs import WITHHELD, open_log, report_uncaught_errors

CANARY = "the canary sings at midnight"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield io.StringIO()
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def log(stream: io.StringIO) -> FilteringBoundLogger:
    return open_log(stream)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_info__listed_facts__are_written_with_time_and_level(
    log: FilteringBoundLogger, stream: io.StringIO
) -> None:
    log.info("settled", request_id=7, request_ids=[1, 2])
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "settled", "level": "info", "request_id": 7, "request_ids": [1, 2]}


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        pytest.param("prompt", CANARY, {}, id="name is not listed"),
        pytest.param("request_id", CANARY, {"request_id": WITHHELD}, id="text for a number"),
        pytest.param("state", CANARY, {"state": WITHHELD}, id="prose for a word"),
        pytest.param("transaction", CANARY, {"transaction": WITHHELD}, id="text for hex"),
        pytest.param("request_ids", [CANARY], {"request_ids": WITHHELD}, id="texts for numbers"),
        pytest.param("error", CANARY, {"error": WITHHELD}, id="text for an error"),
        pytest.param("error", ValueError(CANARY), {"error": "ValueError"}, id="foreign error"),
    ],
)
def test_info__careless_fact__is_left_out(
    log: FilteringBoundLogger, stream: io.StringIO, name: str, value: object, written: object
) -> None:
    log.info("something", **{name: value})
    (line,) = lines(stream)
    line.pop("timestamp")
    assert line == {"event": "something", "level": "info"} | dict(written)  # type: ignore[call-overload]


def test_warning__error_of_our_tree__says_what_to_do(
    log: FilteringBoundLogger, stream: io.StringIO
) -> None:
    log.warning("task failed", error=HeadIsStale(age=90, limit=40))
    (line,) = lines(stream)
    assert line["error"] == "HeadIsStale"
    assert line["detail"].startswith("the newest block is 90 s old (limit 40 s)")


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("name", ["web3.RequestManager", "asyncio", "some.package"])
def test_library__logs_a_secret__only_level_and_name_are_written(
    stream: io.StringIO, name: str
) -> None:
    library = logging.getLogger(name)
    library.debug("payload %s", CANARY)
    library.info("payload %s", CANARY)
    try:
        raise ValueError(CANARY)
    except ValueError:
        library.exception("failed on %s", CANARY)
    (line,) = lines(stream)
    line.pop("timestamp")
    assert line == {
        "event": "library message",
        "level": "warning",
        "logger": name,
        "error": "ValueError",
    }


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("given", "written"),
    [
        pytest.param(
            {"kind": "LinkClosed", "shard": 3}, {"kind": "LinkClosed", "shard": 3}, id="shard"
        ),
        pytest.param({"peer": "0x" + "ab" * 32}, {"peer": "0x" + "ab" * 32}, id="peer"),
        pytest.param({"request": 7}, {"request": 7}, id="request"),
        pytest.param({"peer": CANARY}, {"peer": WITHHELD}, id="text for a peer"),
        pytest.param({"shard": [CANARY]}, {"shard": WITHHELD}, id="text for a shard"),
        pytest.param({"prompt": CANARY}, {}, id="fact is not listed"),
    ],
)
def test_own_package__logs_a_fixed_text__is_written_with_the_listed_facts(
    stream: io.StringIO, given: dict[str, object], written: dict[str, object]
) -> None:
    library = logging.getLogger("shard_runtime.links.outgoing_link")
    library.warning("frames to a peer are lost", extra=given)
    (line,) = lines(stream)
    line.pop("timestamp")
    assert line == {
        "event": "frames to a peer are lost",
        "level": "warning",
        "logger": "shard_runtime.links.outgoing_link",
        **written,
    }


@pytest.mark.usefixtures("log")
def test_own_package__logs_with_arguments__only_level_and_name_are_written(
    stream: io.StringIO,
) -> None:
    logging.getLogger("teetee.chain").warning("payload %s", CANARY, extra={"shard": 3})
    (line,) = lines(stream)
    line.pop("timestamp")
    assert line == {"event": "library message", "level": "warning", "logger": "teetee.chain"}


def test_l2_uncaught__any_thread__only_its_class_is_written(
    log: FilteringBoundLogger,
    stream: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for owner, name in ((sys, "excepthook"), (threading, "excepthook"), (sys, "unraisablehook")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # restored after the test
    report_uncaught_errors(log)

    def fail() -> None:
        raise ValueError(CANARY)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(CANARY), None)
    assert [(line["event"], line["error"]) for line in lines(stream)] == [
        ("uncaught error", "ValueError")
    ] * 2
    assert CANARY not in stream.getvalue()
    assert capsys.readouterr() == ("", "")


class FullDisk(io.StringIO):
    """Fails until it has room, as a file does: when it is flushed."""

    has_room = False

    def flush(self) -> None:
        if not self.has_room:
            self.seek(0)
            self.truncate()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.usefixtures("stream")
def test_h13_log__cannot_be_written_for_a_while__raises_nothing_and_says_so_later() -> None:
    disk = FullDisk()
    log = open_log(disk)
    log.info("settled", request_id=7)
    log.error("task failed", error=OSError())
    logging.getLogger("web3").warning("payload")
    disk.has_room = True
    log.info("settled", request_id=8)
    log.info("settled", request_id=9)
    assert [(line["request_id"], line.get("lines_may_be_missing")) for line in lines(disk)] == [
        (8, True),
        (9, None),
    ]


@pytest.mark.usefixtures("stream")
def test_h13_log__device_is_full__raises_nothing() -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails
    log = open_log(full)
    for number in range(1_000):  # more than a buffer holds
        log.info("settled", request_id=number)
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_h13_ready_line__stdout_cannot_be_written__is_said_in_the_log(
    log: FilteringBoundLogger, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    enclave: Any = SimpleNamespace(
        settings=SimpleNamespace(simulated=True), identity=SimpleNamespace(to_json=dict)
    )
    monkeypatch.setattr(sys, "stdout", FullDisk())
    server._print_ready_line(enclave, 7443, 9443, log)
    (line,) = lines(stream)
    assert (line["event"], line["error"]) == ("the ready line cannot be written", "OSError")

# SPDX-License-Identifier: Apache-2.0
"""`python -m demo` as a person starts it, in a folder of its own.

given a question
    when the demo is left alone
        it should show the answer and end with 0
        its report should say that the answer equals the unsplit model's, that the money sums up,
        and that the audit passed, and name path, gas and seconds
        no process should be left
given a running demo
    when it is interrupted by Ctrl-C, by SIGTERM, or killed with -9
        it should leave no process behind, and, unless killed, a report that says so
    when another one is started in the same folder
        it should say that, and disturb nothing
given a folder that a killed demo left
    when the demo starts again
        it should begin as if nothing was there
given an empty question, an unknown option, a missing model, or a port in use
    when the demo is called
        it should end soon, with a sentence
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.processes.environment import environment

pytestmark = pytest.mark.system

SECONDS = 60.0
WHOLE_SECONDS = 280.0
MISUSED, FAILED = 2, 1


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A demo in a folder of its own; it is killed in the end, if it still is there."""
    argv = [sys.executable, "-m", "demo", "--directory", str(folder), *options]
    process = subprocess.Popen(
        argv,
        env=environment({"TMPDIR": str(folder.parent)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Until it has said that."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the demo ended without {text!r}")


def processes_of(folder: Path) -> dict[int, str]:
    """What this demo has started and still runs, by the paths in arguments and environment."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in told and int(entry.name) != os.getpid():
            found[int(entry.name)] = told.split(b"\0")[0].decode()
    return found


def end_of_all(process_ids: list[int]) -> bool:
    """Whether they end within some seconds. A pidfd becomes readable when its process ends."""
    descriptors = []
    for process_id in process_ids:
        try:
            descriptors.append(os.pidfd_open(process_id))
        except ProcessLookupError:
            continue
    try:
        return all(select.select([each], [], [], 10)[0] for each in descriptors)
    finally:
        for each in descriptors:
            os.close(each)


def test_demo__left_alone__proves_its_answer_and_leaves_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder, "--max-tokens", "16", "Name", "three", "colors.") as process:
        said, _ = process.communicate(timeout=WHOLE_SECONDS)
    assert process.returncode == 0, said
    assert processes_of(folder) == {}
    assert said.index("simulated: TEE hardware") < said.index("✓ the chain")
    report = json.loads((tmp_path / "demo.json").read_text())
    assert (report["question"], report["requestId"]) == ("Name three colors.", 1)
    assert report["answer"].startswith("1. Red")
    assert report["answer"] in said
    proofs = ("answerEqualsUnsplit", "sumsUp", "verified")
    assert [report[name] for name in proofs] == [True, True, True]
    assert [stage["layers"] for stage in report["path"]] == [[0, 8], [8, 19], [19, 30]]
    for stage in report["path"]:
        assert set(stage) == {"shardId", "layers", "host", "signer", "quoteHash"}
    parts = [report["fee"], report["royalty"], report["refund"]]
    assert sum(payout["amount"] for payout in report["payouts"]) + sum(parts) == report["deposit"]
    assert {"deploy", "publishModel", "enrol", "request", "settle"} <= set(report["gas"])
    assert all(gas > 21_000 for gas in report["gas"].values())
    assert all(transaction["succeeded"] for transaction in report["transactions"])
    assert {"contracts", "enclaves", "ask", "unsplit", "audit"} <= set(report["seconds"])
    assert any("TEE" in each for each in report["simulated"])
    assert "error" not in report


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_demo__interrupted__stops_all_it_started_and_says_so(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as process:
        wait_for(process, "✓ the machines")
        started = processes_of(folder)
        assert len(started) > 4, "the demo has not started what it should stop"
        process.send_signal(number)
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number
    assert "interrupted; everything was stopped" in said
    assert processes_of(folder) == {}
    report = json.loads((tmp_path / "demo.json").read_text())
    assert report["error"]["name"] == "Interrupted"
    assert "verified" not in report


def test_demo__killed__kernel_ends_what_it_started_and_the_next_one_begins_afresh(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as process:
        wait_for(process, "✓ the machines")
        started = [each for each in processes_of(folder) if each != process.pid]
        process.kill()
        process.wait()
    assert end_of_all(started)
    assert (folder / "enclaves" / "entry").is_dir()
    seed = (folder / "enclaves" / "entry" / "machine.seed").read_bytes()
    with demo(folder) as again:
        wait_for(again, "✓ the machines")
        assert (folder / "enclaves" / "entry" / "machine.seed").read_bytes() != seed
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=SECONDS)
    assert processes_of(folder) == {}


def test_demo__folder_of_a_running_one__says_so_and_disturbs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as process:
        wait_for(process, "✓ the machines")
        with demo(folder, "--report", str(tmp_path / "second.json")) as second:
            said, _ = second.communicate(timeout=SECONDS)
        assert second.returncode == FAILED
        assert "Another demo is using" in said
        assert process.poll() is None
        assert (folder / "enclaves" / "entry").is_dir()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        pytest.param((" ",), MISUSED, "The question is empty", id="empty question"),
        pytest.param(("--tokens",), MISUSED, "unrecognized arguments", id="unknown option"),
        pytest.param(("--port", "0"), MISUSED, "is not a number from 1", id="no port"),
        pytest.param(
            ("--model", "/nowhere.gguf"), FAILED, "no model weights at /nowhere", id="no model"
        ),
    ],
)
def test_demo__called_wrongly__ends_with_a_sentence(
    tmp_path: Path, options: tuple[str, ...], status: int, sentence: str
) -> None:
    with demo(tmp_path / "demo", *options) as process:
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == status
    assert sentence in said
    assert "Traceback" not in said


def test_demo__port_in_use__names_it_in_words_and_in_json(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with demo(tmp_path / "demo", "--json", "--port", str(port)) as process:
            said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == FAILED
    assert f"Port {port} on 127.0.0.1 is in use" in said
    written = (tmp_path / "demo.json").read_text()
    assert said.endswith(written)
    assert json.loads(written)["error"]["name"] == "PortInUse"

# SPDX-License-Identifier: Apache-2.0
"""`python -m demo` and its commands as started at a terminal, each in a folder of its own.

given a question
    when the demo is left alone
        it should print the answer and end with 0
        its report should say that the answer equals the unsplit model's, that the amounts add up,
        and that the verification passed, and name path, gas and seconds
        no process should be left
given a running demo
    when it is interrupted by Ctrl-C, by SIGTERM, or killed with -9
        it should leave no process behind, and, unless killed, a report that says so
    when another one is started in the same folder
        it should say so, and disturb nothing
    when it is stopped by `python -m demo stop`
        it should stop everything
given a folder that a killed demo left
    when the demo starts again
        it should start as in an empty folder
given a world that is starting, or none
    when it is called again, or a host is to be added
        it should say so
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
    """A demo in a folder of its own, killed at the end if it still runs."""
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


def call(*arguments: str) -> tuple[int, str]:
    """The exit status and the output of a demo command that ends by itself."""
    argv = [sys.executable, "-m", "demo", *arguments]
    done = subprocess.run(
        argv,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Until it has output that."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the demo ended without printing {text!r}")


def processes_of(folder: Path) -> dict[int, str]:
    """The running processes of this demo, by the paths in arguments and environment."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            content = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in content and int(entry.name) != os.getpid():
            found[int(entry.name)] = content.split(b"\0")[0].decode()
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


def test_demo__left_alone__verifies_its_answer_and_leaves_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder, "--max-tokens", "16", "Name", "three", "colors.") as process:
        output, _ = process.communicate(timeout=WHOLE_SECONDS)
    assert process.returncode == 0, output
    assert processes_of(folder) == {}
    assert output.index("simulated: TEE hardware") < output.index("✓ Chain")
    report = json.loads((tmp_path / "demo.json").read_text())
    assert (report["question"], report["requestId"]) == ("Name three colors.", 1)
    assert report["answer"].startswith("1. Red")
    assert report["answer"] in output
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
    assert {"contracts", "enclaves", "ask", "unsplit", "verify"} <= set(report["seconds"])
    assert any("TEE" in each for each in report["simulated"])
    assert "error" not in report


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_demo__interrupted__stops_all_it_started_and_says_so(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as process:
        wait_for(process, "✓ Machines")
        started = processes_of(folder)
        assert len(started) > 4, "the demo has not started enough processes to stop"
        process.send_signal(number)
        output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number
    assert "Interrupted. Everything is stopped." in output
    assert processes_of(folder) == {}
    report = json.loads((tmp_path / "demo.json").read_text())
    assert report["error"]["name"] == "Interrupted"
    assert "verified" not in report


def test_demo__killed__kernel_ends_what_it_started_and_the_next_one_begins_afresh(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as process:
        wait_for(process, "✓ Machines")
        started = [each for each in processes_of(folder) if each != process.pid]
        process.kill()
        process.wait()
    assert end_of_all(started)
    assert (folder / "enclaves" / "entry").is_dir()
    seed = (folder / "enclaves" / "entry" / "machine.seed").read_bytes()
    with demo(folder) as restarted:
        wait_for(restarted, "✓ Machines")
        assert (folder / "enclaves" / "entry" / "machine.seed").read_bytes() != seed
        restarted.send_signal(signal.SIGINT)
        restarted.communicate(timeout=SECONDS)
    assert processes_of(folder) == {}


def test_demo__folder_of_a_running_one__says_so_and_disturbs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as process:
        wait_for(process, "✓ Machines")
        status, output = call("--directory", str(folder), "--report", str(tmp_path / "second.json"))
        assert status == FAILED
        assert "Another world runs in" in output
        for command in ("world", "host"):
            status, output = call(command, "--directory", str(folder))
            assert status == FAILED
            assert f"A world is starting in {folder} (process {process.pid})" in output
        assert process.poll() is None
        assert (folder / "enclaves" / "entry").is_dir()
        assert call("stop", "--directory", str(folder))[0] == 0
        process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert processes_of(folder) == {}


@pytest.mark.parametrize("command", ["stop", "host"])
def test_demo__no_world_runs__says_so(tmp_path: Path, command: str) -> None:
    status, output = call(command, "--directory", str(tmp_path / "demo"))
    assert status == FAILED
    assert "Start one: make world" in output


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
        output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == status
    assert sentence in output
    assert "Traceback" not in output


def test_demo__port_in_use__names_it_in_words_and_in_json(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with demo(tmp_path / "demo", "--json", "--port", str(port)) as process:
            output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == FAILED
    assert f"Port {port} on 127.0.0.1 is in use" in output
    written = (tmp_path / "demo.json").read_text()
    assert output.endswith(written)
    assert json.loads(written)["error"]["name"] == "PortInUse"

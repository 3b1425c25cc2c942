# SPDX-License-Identifier: Apache-2.0
"""Streams that are closed, disks that are full, encodings without the character, nodes that answer
anything: the real command in a process of its own.

given standard output that is closed, full, or a pipe without a reader
    when a command prints
        it should end with one sentence, no trace and no request to report it
    when `ask` is called with none at all
        it should pay nothing
    when it breaks after the payment
        it should name `teetee resume N`, which then gives the answer
given a folder that cannot be written
    when something would be stored there
        it should name the file and the reason; before the payment, nothing should be paid
    when it breaks after the payment
        it should warn, and go on
given output in ASCII
    when an answer has other characters
        it should escape them, and JSON should remain the same value
given a node whose answers do not fit the request
    when a command reads the chain
        it should count as unavailable
"""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from teetee.client import private_files
from teetee.client.client import Client
from teetee.client.requests import await_answer
from tests.teetee.chain.local_chain import TEE
from tests.teetee.chain.rpc_proxy import FORWARD, HttpAnswer, node
from tests.teetee.cli.terminal import at_lab, teetee
from tests.teetee.client.lab import ANSWER, AtWork, Lab
from tests.teetee.quotes.recorded import VECTORS

pytestmark = pytest.mark.timeout(180)

TEETEE = Path(sys.executable).with_name("teetee")
QUOTE = str(VECTORS / "quotes" / "tdx_v4_b0c06f_near_mpc.bin")
SHOW = ("quote", "show", QUOTE)
ASK = ("ask", "a question", "--deadline", "60", "--max-tokens", "20")


def environment(**changes: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if "TEETEE" not in name}
    return {**inherited, "COLUMNS": "500", **changes}


def run(
    *arguments: str,
    env: dict[str, str] | None = None,
    stdout: int = subprocess.PIPE,
    prepare: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """The real command. `prepare` runs in its process, before it."""
    return subprocess.run(
        [str(TEETEE), *arguments],
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        preexec_fn=prepare,
        timeout=120,
        check=False,
    )


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def pipe_without_reader() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def no_room() -> None:
    """Every write to a file fails, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def expect_sentence(err: bytes, *words: str) -> str:
    text = err.decode()
    assert "Traceback" not in text
    assert "report" not in text
    assert "Exception ignored" not in text
    assert text.startswith("error: ") or "\nerror: " in text
    for each in words:
        assert each in text
    return text


LOST = {
    "full disk": (full_disk, "No space left on device", 1),
    "pipe without a reader": (pipe_without_reader, "the program that reads it has ended", 141),
}


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("arguments", [SHOW, (*SHOW, "--json")], ids=["a table", "JSON"])
def test_output__takes_no_text__is_one_sentence(name: str, arguments: tuple[str, ...]) -> None:
    make, reason, status = LOST[name]
    ended = run(*arguments, stdout=make())
    assert ended.returncode == status
    expect_sentence(ended.stderr, f"The output cannot be written ({reason})")


def test_help__on_a_full_disk__is_one_sentence() -> None:
    ended = run("--help", stdout=full_disk())
    assert ended.returncode == 1
    expect_sentence(ended.stderr, "The output cannot be written (No space left on device)")


def test_output__read_by_head__is_one_sentence() -> None:
    call = f"'{TEETEE}' quote show '{QUOTE}' | head -1"
    ended = subprocess.run(
        ["/bin/sh", "-c", call], env=environment(), capture_output=True, timeout=60, check=False
    )
    assert ended.stdout == b"Header\n"
    assert b"Traceback" not in ended.stderr
    assert b"report" not in ended.stderr
    assert b"Exception ignored" not in ended.stderr


def test_verify__output_is_not_read_to_its_end__does_not_end_as_a_failed_check(
    lab: Lab, tmp_path: Path
) -> None:
    env = at_lab(lab, tmp_path, requester(lab))
    with answering(lab):
        asked = json.loads(run(*ASK, "--json", env=env).stdout)
    ended = run("verify", str(asked["requestId"]), env=env, stdout=pipe_without_reader())
    assert ended.returncode == 141


@pytest.mark.parametrize("descriptor", [0, 1, 2], ids=["stdin", "stdout", "stderr"])
def test_show__stream_is_closed__has_no_trace(descriptor: int) -> None:
    ended = run(*SHOW, prepare=lambda: os.close(descriptor))
    assert ended.returncode == (1 if descriptor == 1 else 0)
    if descriptor == 1:
        expect_sentence(ended.stderr, "The output cannot be written (it is closed)")
    else:
        assert ended.stdout.startswith(b"Header\n")
        assert ended.stderr == b""


def test_ask__stdin_is_closed_and_is_the_question__says_so() -> None:
    ended = run("ask", "-", prepare=lambda: os.close(0))
    assert ended.returncode == 1
    expect_sentence(ended.stderr, "The question cannot be sent: stdin is closed.")


def test_ask__stdin_cannot_be_read__says_so() -> None:
    write_only = os.open(os.devnull, os.O_WRONLY)
    ended = run("ask", "-", prepare=lambda: os.dup2(write_only, 0) and None)
    assert ended.returncode == 1
    expect_sentence(ended.stderr, "The question cannot be sent: stdin cannot be read (")


def test_ask__utf8_in_the_locale_c__is_no_fault_of_the_question() -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = run("ask", "Où est Zürich? 🚪", env={**ascii_only, "HOME": "/nowhere"})
    assert ended.returncode == 1
    expect_sentence(ended.stderr, "No wallet")


@pytest.mark.parametrize("where", ["/proc/nowhere", "/dev/full", "/dev/null/folder"])
def test_wallet_create__folder_cannot_be_made__names_the_file(where: str) -> None:
    ended = run("wallet", "create", "--keystore", where + "/k.json", env={"TEETEE_PASSPHRASE": "x"})
    assert ended.returncode == 1
    expect_sentence(ended.stderr, f"{where}/k.json cannot be written (")


def test_wallet_create__disk_is_full__leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "k.json"
    arguments = ("wallet", "create", "--keystore", str(path))
    ended = run(*arguments, env={"TEETEE_PASSPHRASE": "x"}, prepare=no_room)
    assert ended.returncode == 1
    expect_sentence(ended.stderr, f"{path} cannot be written (File too large)")
    assert list(path.parent.iterdir()) == []


def test_wallet_create__output_is_full__the_key_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    arguments = ("wallet", "create", "--keystore", str(path))
    ended = run(*arguments, env={"TEETEE_PASSPHRASE": "x"}, stdout=full_disk())
    assert ended.returncode == 1
    expect_sentence(ended.stderr, "The output cannot be written")
    assert path.exists()


# ---------------------------------------------------------------- around a payment


def answering(lab: Lab) -> AtWork:
    def work(opened: Any) -> None:
        lab.texts[opened.request_id] = [ANSWER[:7], ANSWER[7:]]
        lab.settle(opened, lab.enclaves[:3])

    return AtWork(lab, work)


def requester(lab: Lab) -> LocalAccount:
    return lab.world.account("requester", tokens=TEE)


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize(
    "options", [(), ("--json",), ("--stream",), ("--json", "--stream")], ids=str
)
def test_ask__output_breaks_after_the_payment__names_resume(
    lab: Lab, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    make, reason, status = LOST[name]
    env = at_lab(lab, tmp_path, requester(lab))
    with answering(lab):
        ended = run(*ASK, *options, env=env, stdout=make())
    request = lab.world.escrow.request_count()
    assert ended.returncode == status
    expect_sentence(ended.stderr, reason, f"`teetee resume {request}` continues it")
    resumed = teetee("resume", str(request), "--json", env=env)
    assert resumed.json["answer"] == ANSWER


def test_ask__no_output_at_all__pays_nothing(lab: Lab, tmp_path: Path) -> None:
    before = lab.world.escrow.request_count()
    env = at_lab(lab, tmp_path, requester(lab))
    ended = run(*ASK, env=env, prepare=lambda: os.close(1))
    assert ended.returncode == 1
    expect_sentence(ended.stderr, "The output cannot be written (it is closed)")
    assert lab.world.escrow.request_count() == before


def test_ask__state_folder_is_a_file__pays_nothing(lab: Lab, tmp_path: Path) -> None:
    before = lab.world.escrow.request_count()
    (tmp_path / "teetee").write_text("a file")
    ended = run(*ASK, env=at_lab(lab, tmp_path, requester(lab)))
    assert ended.returncode == 1
    expect_sentence(
        ended.stderr, "cannot be written (its folder is a file)", "Nothing was sent or paid."
    )
    assert lab.world.escrow.request_count() == before


def test_ask__disk_is_full__pays_nothing(lab: Lab, tmp_path: Path) -> None:
    before = lab.world.escrow.request_count()
    ended = run(*ASK, env=at_lab(lab, tmp_path, requester(lab)), prepare=no_room)
    assert ended.returncode == 1
    expect_sentence(ended.stderr, "cannot be written (File too large)", "Nothing was sent or paid.")
    assert lab.world.escrow.request_count() == before


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_ask__disk_fills_up_after_the_payment__warns_and_goes_on(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_files.os, "replace", no_space)
    with answering(lab):
        result = teetee(*ASK, env=at_lab(lab, tmp_path, requester(lab)))
    assert (result.status, result.out) == (0, ANSWER + "\n")
    request = lab.world.escrow.request_count()
    assert f"warning: Request {request} is paid, but its number cannot be noted" in result.err


def test_ask__secret_cannot_be_removed__warns_after_the_answer(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".json":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        remove(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    with answering(lab):
        result = teetee(*ASK, env=at_lab(lab, tmp_path, requester(lab)))
    assert (result.status, result.out) == (0, ANSWER + "\n")
    assert "The answer was read, but its secret stays on disk" in result.err
    assert "Read-only file system" in result.err


@pytest.mark.parametrize(
    "failure", [RuntimeError("a bug"), OSError(errno.EIO, "I/O error"), KeyboardInterrupt()]
)
def test_ask__anything_fails_after_the_payment__names_resume(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(Client, "await_answer", fail)
    result = teetee(*ASK, "--json", env=at_lab(lab, tmp_path, requester(lab)))
    number = lab.world.escrow.request_count()
    assert result.status in (1, 130)
    assert f"`teetee resume {number}` continues it" in result.json["error"]["message"]
    assert f"`teetee resume {number}` continues it" in result.err


@pytest.mark.parametrize("body", [b"null", b"[]", b"{}"], ids=["null", "list", "object"])
def test_ask__node_answers_nothing_after_the_payment__names_resume(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    before = lab.world.escrow.request_count()
    monkeypatch.setattr(await_answer, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(await_answer, "RETRY_SECONDS", 0.1)

    def answer(_: str, __: list[Any]) -> Any:
        if lab.world.escrow.request_count() > before and paid:
            raise HttpAnswer(200, body)
        return FORWARD

    paid: list[int] = []
    waited = Client.await_answer

    def wait(*arguments: Any, **named: Any) -> Any:
        paid.append(1)
        return waited(*arguments, **named)

    monkeypatch.setattr(Client, "await_answer", wait)
    with node(answer, lab.chain.url) as url:
        env = {**at_lab(lab, tmp_path, requester(lab)), "TEETEE_RPC_URL": url}
        result = teetee(*ASK, env=env)
    assert result.status == 75
    expect_sentence(
        result.err.encode(), "No Ethereum node answers", f"`teetee resume {before + 1}` continues"
    )


def test_ask__output_in_ascii__escapes_what_it_lacks(lab: Lab, tmp_path: Path) -> None:
    env = {**at_lab(lab, tmp_path, requester(lab)), "PYTHONIOENCODING": "ascii", "LANG": "C"}
    with answering(lab):
        plain, value = run(*ASK, env=env), run(*ASK, "--json", env=env)
    assert plain.returncode == value.returncode == 0
    assert plain.stdout.decode("ascii") == ANSWER.replace("🚪", "\\U0001f6aa") + "\n"
    assert json.loads(value.stdout.decode("ascii"))["answer"] == ANSWER
    assert b"Traceback" not in plain.stderr + value.stderr


# ---------------------------------------------------------------- nodes

BODIES = {
    "null": b"null",
    "list": b"[]",
    "object": b"{}",
    "text": b'"0x1"',
    "number": b"5",
    "null as result": b'{"jsonrpc": "2.0", "id": 0, "result": null}',
    "null as error": b'{"jsonrpc": "2.0", "id": 0, "error": null}',
    "nothing": b"",
    "page": b"<html></html>",
    "nested lists": b"[" * 200_000,
    "nested objects": b'{"a":' * 40_000,
    "nested result": b'{"jsonrpc": "2.0", "id": 0, "result": ' + b"[" * 200_000,
}


@pytest.mark.parametrize("name", BODIES)
def test_command__node_answers_no_json_rpc__is_unavailable(
    lab: Lab, tmp_path: Path, name: str
) -> None:
    def answer(_: str, __: list[Any]) -> Any:
        raise HttpAnswer(200, BODIES[name])

    with node(answer) as url:
        env = {**at_lab(lab, tmp_path), "TEETEE_RPC_URL": url}
        if "nested" in name:  # could crash the process
            ended = run("models", env=env)
            status, err = ended.returncode, ended.stderr
        else:
            result = teetee("models", env=env)
            status, err = result.status, result.err.encode()
    assert status == 75
    expect_sentence(err, "No Ethereum node answers")


RESULTS: dict[str, Any] = {"null": None, "list": [], "object": {}, "word": "zz", "number": 5}


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize(
    "method",
    ["eth_getBlockByNumber", "eth_call", "eth_getBalance", "eth_getLogs", "eth_estimateGas"],
)
def test_command__result_does_not_fit_the_method__is_an_error_of_the_node(
    lab: Lab, tmp_path: Path, method: str, name: str
) -> None:
    asked: list[str] = []

    def answer(called: str, _: list[Any]) -> Any:
        asked.append(called)
        return RESULTS[name] if called == method else FORWARD

    with node(answer, lab.chain.url) as url:
        env = {**at_lab(lab, tmp_path, requester(lab)), "TEETEE_RPC_URL": url}
        for arguments in (("wallet", "balance"), ("history",), ("wallet", "faucet")):
            result = teetee(*arguments, env=env)
            assert "bug" not in result.err
            assert not re.search(r"report it|Traceback", result.err)
            assert result.status in (0, 1, 75)
    assert asked

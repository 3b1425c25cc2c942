# SPDX-License-Identifier: Apache-2.0
"""dstack's guest agent over its socket.

given an agent
    when it answers as dstack does
        it should give quotes as bytes, and there should be no way to ask for keys
    when its answer lacks a field, is not hex, or has another length
        it should be refused, and no error should quote the answer
    when it refuses
        it should not be retried
    when it fails, is silent, or does not exist
        it should be retryable, naming the socket and what to do
"""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from teetee.enclave.guest_agent import DstackGuestAgent
from teetee.errors import GuestAgentAnswerInvalid, GuestAgentRefused, GuestAgentUnreachable

SECRET = "5e" * 32
GOOD_QUOTE = {"quote": "0400aa", "event_log": "[]", "report_data": "", "vm_config": ""}


class FakeAgent(socketserver.ThreadingUnixStreamServer):
    """Answers every call with the same status and body; records the calls."""

    daemon_threads = True

    def __init__(self, path: Path, status: int, body: bytes) -> None:
        self.status, self.body = status, body
        self.asked: list[tuple[str, Any]] = []
        super().__init__(str(path), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: FakeAgent

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.asked.append((self.path, json.loads(self.rfile.read(length))))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


@contextmanager
def agent_that_answers(folder: Path, body: object, status: int = 200) -> Iterator[FakeAgent]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with FakeAgent(folder / "dstack.sock", status, data) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def agent(folder: Path, timeout: float = 5) -> DstackGuestAgent:
    return DstackGuestAgent(str(folder / "dstack.sock"), timeout_seconds=timeout)


def test_get_quote__from_dstack__sends_64_bytes_and_gives_the_quote(tmp_path: Path) -> None:
    with agent_that_answers(tmp_path, GOOD_QUOTE) as server:
        assert agent(tmp_path).get_quote(b"\x07" * 64) == b"\x04\x00\xaa"
    assert server.asked == [("/GetQuote", {"report_data": "07" * 64})]


def test_m14_agent__simulators_endpoint_in_the_environment__is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSTACK_SIMULATOR_ENDPOINT", str(tmp_path / "dstack.sock"))
    with agent_that_answers(tmp_path, GOOD_QUOTE) as server:
        assert DstackGuestAgent().endpoint == "/var/run/dstack.sock"
    assert server.asked == []


def test_c1_agent__has_quotes__and_no_keys() -> None:
    assert [name for name in dir(DstackGuestAgent) if not name.startswith("_")] == ["get_quote"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(GOOD_QUOTE | {"quote": "zz" * 32}, id="not hex"),
        pytest.param({"quota": SECRET}, id="no quote"),
        pytest.param([SECRET], id="no object"),
        pytest.param(b"<html>" + SECRET.encode(), id="no JSON"),
    ],
)
def test_get_quote__answer_of_another_form__is_refused_without_repeating_it(
    tmp_path: Path, body: object
) -> None:
    with agent_that_answers(tmp_path, body), pytest.raises(GuestAgentAnswerInvalid) as refused:
        agent(tmp_path).get_quote(bytes(64))
    assert refused.value.method == "GetQuote"
    assert "5e5e" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_get_quote__empty__is_refused(tmp_path: Path) -> None:
    with (
        agent_that_answers(tmp_path, GOOD_QUOTE | {"quote": ""}),
        pytest.raises(GuestAgentAnswerInvalid),
    ):
        agent(tmp_path).get_quote(bytes(64))


def test_get_quote__of_other_than_64_bytes__is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be 64 bytes, not 32"):
        agent(tmp_path).get_quote(bytes(32))


def test_get_quote__refused_by_the_agent__is_fatal(tmp_path: Path) -> None:
    with agent_that_answers(tmp_path, {}, 400), pytest.raises(GuestAgentRefused) as refused:
        agent(tmp_path).get_quote(bytes(64))
    assert (refused.value.method, refused.value.status) == ("GetQuote", 400)


def test_get_quote__agent_fails__is_retryable(tmp_path: Path) -> None:
    with agent_that_answers(tmp_path, {}, 500), pytest.raises(GuestAgentUnreachable) as failed:
        agent(tmp_path).get_quote(bytes(64))
    assert failed.value.reason == "failed GetQuote with HTTP 500"


def test_get_quote__no_socket__names_it_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GuestAgentUnreachable) as failed:
        agent(tmp_path).get_quote(bytes(64))
    assert failed.value.endpoint == str(tmp_path / "dstack.sock")
    assert failed.value.reason == "does not exist"
    assert "DSTACK_SIMULATOR_ENDPOINT" in str(failed.value)


def test_get_quote__socket_without_server__is_retryable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dstack.sock"))
    with pytest.raises(GuestAgentUnreachable) as failed:
        agent(tmp_path).get_quote(bytes(64))
    assert failed.value.reason == "does not answer"


def test_get_quote__agent_is_silent__is_retryable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "dstack.sock"))
        silent.listen()
        with pytest.raises(GuestAgentUnreachable) as failed:
            agent(tmp_path, timeout=0.05).get_quote(bytes(64))
    assert failed.value.reason == "did not answer within 0.05 s"

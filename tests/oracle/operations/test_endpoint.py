# SPDX-License-Identifier: Apache-2.0
"""`/health` and `/metrics` over HTTP.

given an endpoint
    when health is asked
        it should answer 200 while ready, otherwise 503, and say why as JSON
    when metrics are asked
        they should be in Prometheus's format
    when anything else is asked, however long or broken
        it should answer 404 or close, log nothing of it, and serve the next client
    when clients stay silent, or send a byte now and then
        it should serve others, by closing the oldest, and end each after a few seconds in total
    when its port is taken
        it should refuse to start, and name the setting
"""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

import oracle.operations.endpoint
from oracle.errors import StartUpRefused
from oracle.operations.endpoint import OperationsEndpoint
from oracle.operations.health import Health
from oracle.operations.metrics import Metrics
from oracle.process.logs import open_log

LOOPBACK = "127.0.0.1"


class Operator:
    """An endpoint, and a client of it."""

    def __init__(self) -> None:
        self.output = StringIO()
        metrics = Metrics(open_log(self.output))
        self.health = Health(metrics)
        self.endpoint = OperationsEndpoint(
            host=LOOPBACK, port=0, health=self.health, metrics=metrics
        )
        self.endpoint.start()

    def get(self, path: str, method: str = "GET") -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.endpoint.port, timeout=10)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read()

    def health_of(self, path: str = "/health") -> tuple[int, dict[str, Any]]:
        status, content_type, body = self.get(path)
        assert content_type == "application/json"
        found: dict[str, Any] = json.loads(body)
        return status, found

    def connect(self) -> socket.socket:
        return socket.create_connection((LOOPBACK, self.endpoint.port), timeout=10)


@pytest.fixture
def operator() -> Iterator[Operator]:
    operator = Operator()
    yield operator
    operator.endpoint.close()
    open_log()


def test_health__starting_then_ready_then_draining__says_so(operator: Operator) -> None:
    status, report = operator.health_of()
    assert (status, report["notReady"]) == (503, ["starting"])
    operator.health.start_up_ended()
    assert operator.health_of()[0] == 200
    operator.health.drain()
    status, report = operator.health_of()
    assert (status, report["draining"], report["notReady"]) == (503, True, ["draining"])
    assert operator.health_of("/health/live") == (200, {"live": True})


def test_health_live__a_task_hangs__is_503(operator: Operator) -> None:
    operator.health.start_up_ended()
    operator.health.set_check("tasks", lambda: ["task_stuck"])
    assert operator.health_of("/health/live") == (503, {"live": False})


def test_metrics__asked__are_in_prometheus_format(operator: Operator) -> None:
    status, content_type, body = operator.get("/metrics?name[]=x")
    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    assert b"\nteetee_ready 0.0\n" in body
    assert b"# TYPE teetee_requests_ended_total counter" in body


@pytest.mark.parametrize(
    "path", ["/", "/metrics/x", "/health/", "/%2e%2e/secret", "/" + "x" * 9000]
)
def test_get__any_other_path__is_404_and_not_logged(operator: Operator, path: str) -> None:
    assert operator.get(path)[0] == 404
    assert operator.output.getvalue() == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_request__any_other_method__is_refused(operator: Operator, method: str) -> None:
    assert operator.get("/health", method)[0] == 501


@pytest.mark.parametrize(
    "sent",
    [b"\0\xff" * 400 + b"\r\n\r\n", b"GET " + b"a" * 100_000, b"GET /health HTTP/9.9\r\n\r\n"],
)
def test_request__broken__closes_and_the_next_is_served(
    operator: Operator, capfd: pytest.CaptureFixture[str], sent: bytes
) -> None:
    with operator.connect() as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    assert operator.health_of()[0] == 503
    assert operator.output.getvalue() == ""
    assert capfd.readouterr().err == ""


def test_clients__stay_silent__are_dropped_and_leave_their_places(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle.operations.endpoint._Handler, "timeout", 0.5)
    silent = [operator.connect() for _ in range(oracle.operations.endpoint.MAX_CLIENTS)]
    assert all(client.recv(1) == b"" for client in silent)  # by the timeout
    for client in silent:
        client.close()
    assert operator.health_of()[0] == 503


def test_a10__clients_that_drip_hold_all_places__others_are_served(operator: Operator) -> None:
    dripping = [operator.connect() for _ in range(3 * oracle.operations.endpoint.MAX_CLIENTS)]
    for client in dripping[-oracle.operations.endpoint.MAX_CLIENTS :]:
        client.sendall(b"G")
    for _ in range(3):
        assert operator.health_of("/health/live") == (200, {"live": True})
    assert dripping[0].recv(1) == b""  # the oldest made room
    for client in dripping:
        client.close()


def test_a10__client_drips_without_end__is_closed_after_the_total_time(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle.operations.endpoint, "TOTAL_SECONDS", 0.4)
    with operator.connect() as client:
        client.settimeout(0.05)
        start = time.monotonic()
        while not _is_closed_after_a_byte(client):
            # The time-out of each read alone would never end it.
            assert time.monotonic() - start < 10


def _is_closed_after_a_byte(client: socket.socket) -> bool:
    try:
        client.sendall(b"G")
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_start__port_is_taken__refuses_and_names_the_setting(operator: Operator) -> None:
    second = OperationsEndpoint(
        host=LOOPBACK,
        port=operator.endpoint.port,
        health=operator.health,
        metrics=Metrics(open_log()),
    )
    with pytest.raises(StartUpRefused, match="TEETEE_OPERATIONS_PORT"):
        second.start()
    second.close()

# SPDX-License-Identifier: Apache-2.0
"""HTTP for operators: `GET /health`, `GET /health/live`, `GET /metrics`. Reads nothing but the
path, and answers with public facts alone; plain HTTP, by default on the loopback address.
"""

import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from oracle.errors import StartUpRefused
from oracle.operations.health import Health
from oracle.operations.metrics import CONTENT_TYPE, Metrics

TOTAL_SECONDS = 5.0
"""Of a connection, from its first byte to its last, however it spreads them."""
MAX_CLIENTS = 8
"""A further one takes the place of the oldest: an honest client needs milliseconds."""


class OperationsEndpoint:
    """`start`, then `close`."""

    def __init__(self, *, host: str, port: int, health: Health, metrics: Metrics) -> None:
        self._address = (host, port)
        self._health = health
        self._metrics = metrics
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """The port in use; the one asked for, before `start`."""
        return self._address[1] if self._server is None else int(self._server.server_address[1])

    def start(self) -> None:
        """Raises `StartUpRefused` if the port is taken."""
        host, port = self._address
        try:
            self._server = _Server(self._address, self._answer)
        except OSError as error:
            raise StartUpRefused(
                what=f"/health and /metrics cannot listen on {host}:{port}:"
                f" {error.strerror or 'no such address'}",
                remedy="Set TEETEE_OPERATIONS_PORT to a free port, or to 0 for any.",
            ) from None
        threading.Thread(target=self._server.serve_forever, name="operations", daemon=True).start()

    def close(self) -> None:
        """Frees the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        match path.partition("?")[0]:
            case "/health":
                report = self._health.report()
                return _status(report.ready), "application/json", _json(report.to_json())
            case "/health/live":
                is_live = self._health.report().live
                return _status(is_live), "application/json", _json({"live": is_live})
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE, self._metrics.expose()
            case _:
                return HTTPStatus.NOT_FOUND, "text/plain", b"/health, /health/live, /metrics\n"


class _Server(HTTPServer):
    """A thread per client, a few clients at a time."""

    def __init__(self, address: tuple[str, int], answer: Any) -> None:
        self.answer = answer
        self._lock = threading.Lock()
        self._clients: list[socket.socket] = []
        """The oldest first."""
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the look-up of this machine's name that HTTPServer makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._clients.append(request)
            if len(self._clients) > MAX_CLIENTS:
                _end(self._clients.pop(0))
        thread = threading.Thread(
            target=self._serve,
            args=(request, client_address),
            name="operations-client",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:
            self._forget(request)
            self.shutdown_request(request)

    def _serve(self, request: Any, client_address: Any) -> None:
        timer = threading.Timer(TOTAL_SECONDS, _end, [request])
        timer.daemon = True
        try:
            timer.start()
            self.finish_request(request, client_address)
        except (OSError, RuntimeError):
            return  # the client left or its time is over; or there is no thread for a timer
        finally:
            timer.cancel()
            self._forget(request)
            self.shutdown_request(request)

    def _forget(self, request: socket.socket) -> None:
        with self._lock:
            if request in self._clients:
                self._clients.remove(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: the default prints a traceback."""


class _Handler(BaseHTTPRequestHandler):
    timeout = TOTAL_SECONDS
    server_version = "teetee"
    sys_version = ""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        status, content_type, body = server.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: a path could hold anything."""


def _end(client: socket.socket) -> None:
    """Its thread finds the connection closed. Closing the socket itself is that thread's."""
    try:
        client.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended


def _status(is_well: bool) -> HTTPStatus:
    return HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE


def _json(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"

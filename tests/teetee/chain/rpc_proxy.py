# SPDX-License-Identifier: Apache-2.0
"""A misbehaving node: forwards JSON-RPC to a real one, except for calls that a test replaces."""

import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FORWARD = object()
"""What a test's answer returns for calls which it leaves alone."""

Answer = Callable[[str, list[Any]], Any]


class RpcError(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        self.code, self.text = code, message
        super().__init__(message)


class HttpAnswer(Exception):
    """A response that is not JSON-RPC."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, dict(headers or {})
        super().__init__(str(status))


class ConnectionDropped(Exception):
    """No response: the connection is closed."""


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, answer, headers = self.server.reply(body)
        except ConnectionDropped:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str | None, answer: Answer) -> None:
        self.upstream, self.answer = upstream, answer
        super().__init__(("127.0.0.1", 0), _Handler)

    def reply(self, body: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        call = json.loads(body)
        envelope = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            result = self.answer(call["method"], call["params"])
        except RpcError as error:
            error_part = {"error": {"code": error.code, "message": error.text}}
            return 200, json.dumps(envelope | error_part).encode(), {}
        except HttpAnswer as other:
            return other.status, other.body, other.headers
        if result is FORWARD:
            assert self.upstream is not None
            with urllib.request.urlopen(self._request(body), timeout=30) as upstream:
                return 200, upstream.read(), {}
        return 200, json.dumps(envelope | {"result": result}).encode(), {}

    def _request(self, body: bytes) -> urllib.request.Request:
        headers = {"Content-Type": "application/json"}
        return urllib.request.Request(str(self.upstream), body, headers)


@contextmanager
def node(answer: Answer, upstream: str | None = None) -> Iterator[str]:
    """Yields the URL of a node on its own port."""
    with _Server(upstream, answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

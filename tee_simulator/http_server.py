# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server on a unix socket or on loopback."""

import errno
import logging
import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any, Protocol

from tee_simulator.errors import AddressUnusable, PortInUse, SocketInUse

LOG = logging.getLogger("tee_simulator")

MAX_BODY_BYTES = 1 << 20
MAX_SOCKET_PATH_BYTES = 107  # sockaddr_un, Linux


@dataclass(frozen=True)
class Response:
    """A response to one request."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpService(Protocol):
    """Answers requests; never raises because of a request's content."""

    def respond(self, method: str, target: str, body: bytes) -> Response:
        """target: path and query. Called concurrently from several threads."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: HttpService

    def _respond(self) -> None:
        try:
            size = int(self.headers.get("Content-Length", 0))
        except ValueError:
            size = -1
        if not 0 <= size <= MAX_BODY_BYTES:
            self.close_connection = True
            self._send(
                Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b'{"error": "body too large"}')
            )
            return
        body = self.rfile.read(size)
        self._send(self.service.respond(self.command, self.path, body))

    do_GET = do_POST = do_PUT = _respond  # noqa: N815 - the names that http.server looks for

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Logs path and status, never content."""
        status = code.value if isinstance(code, HTTPStatus) else code
        LOG.info("%s %s", self.path.split("?")[0], status)

    def log_message(self, format: str, *args: object) -> None:
        LOG.info(format, *args)

    def address_string(self) -> str:
        return "local"


class _UnixServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection open must not delay stopping


class _LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


class HttpServer:
    """A running server; a context manager that stops it and removes its socket."""

    def __init__(
        self, server: _UnixServer | _LoopbackServer, socket_path: Path | None = None
    ) -> None:
        self._server = server
        self._socket_path = socket_path
        # polls twenty times a second for a request to stop
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @classmethod
    def on_socket(cls, path: Path, service: HttpService) -> "HttpServer":
        """Listens on a unix socket that only this user can open.

        Raises `SocketInUse`, `AddressUnusable`.
        """
        if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
            raise AddressUnusable(
                str(path), f"a socket's path can have at most {MAX_SOCKET_PATH_BYTES} bytes"
            )
        _remove_stale(path)
        try:
            server = _UnixServer(str(path), _handler(service))
            path.chmod(0o600)
        except OSError as error:
            raise AddressUnusable(str(path), (error.strerror or "unknown").lower()) from error
        return cls(server, path)

    @classmethod
    def on_loopback(cls, port: int, service: HttpService) -> "HttpServer":
        """Listens on 127.0.0.1; port 0 for any. Raises `PortInUse`, `AddressUnusable`."""
        try:
            server = _LoopbackServer(("127.0.0.1", port), _handler(service))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(port) from error
            raise AddressUnusable(f"port {port}", (error.strerror or "unknown").lower()) from error
        except OverflowError as error:
            raise AddressUnusable(f"port {port}", "a port must be 0 to 65535") from error
        return cls(server)

    @property
    def port(self) -> int:
        """The loopback port."""
        address: Any = self._server.server_address
        return int(address[1])

    def stop(self) -> None:
        """Stops listening and removes the socket. Aborts requests in progress."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._socket_path is not None:
            self._socket_path.unlink(missing_ok=True)

    def __enter__(self) -> "HttpServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _handler(service: HttpService) -> type[_Handler]:
    return type("_ServiceHandler", (_Handler,), {"service": service})


def _remove_stale(path: Path) -> None:
    """Removes a socket without a listener, left behind by a crash."""
    if not path.exists():
        return
    if not path.is_socket():
        raise AddressUnusable(str(path), "a file that is not a socket exists there")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise AddressUnusable(str(path), (error.strerror or "unknown").lower()) from error
    raise SocketInUse(path)

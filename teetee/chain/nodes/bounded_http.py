# SPDX-License-Identifier: Apache-2.0
"""HTTP requests that end within a total time and a number of bytes, however the server behaves.

`requests` bounds the time between two bytes only. Here a timer shuts the socket down, also in the
middle of a header. Nothing comes from the environment: no proxy, no CA bundle, no password file.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

MAX_ANSWER_BYTES: Final = 32 << 20
"""A thousand requests of the largest size in one range of logs take less."""

_CHUNK_BYTES: Final = 1 << 16
_POOL_CONNECTIONS: Final = 16


class AnswerTooLong(ValueError):
    """More bytes than the limit. The message is a clause about the answer."""

    def __init__(self) -> None:
        super().__init__(f"has more than {MAX_ANSWER_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A response of any status."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    content: bytes


class BoundedHttp:
    """Sends to one server. Thread-safe; keeps connections open."""

    def __init__(self) -> None:
        session = requests.Session()
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter())
        self._session = session

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float
    ) -> HttpAnswer:
        """Redirects are not followed. Raises `requests.RequestException`, `AnswerTooLong`."""
        exchange = _Exchange()
        timer = threading.Timer(seconds, exchange.expire)
        timer.daemon = True
        timer.start()
        _current.exchange = exchange
        try:
            answer = self._exchange(url, body, headers, seconds)
            if exchange.is_expired:  # cut off in a header, which reads like its end
                raise requests.Timeout
            return answer
        except (requests.RequestException, HTTPError, OSError) as error:
            if exchange.is_expired:
                raise requests.Timeout from None
            if isinstance(error, requests.RequestException):
                raise
            raise requests.ConnectionError from None
        finally:
            exchange.finish()
            timer.cancel()
            _current.exchange = None

    def _exchange(
        self, url: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> HttpAnswer:
        # Uncompressed: a short answer must not grow.
        asked = {**headers, "Accept-Encoding": "identity"}
        response = self._session.post(
            url, data=body, headers=asked, timeout=seconds, stream=True, allow_redirects=False
        )
        parts, size = [], 0
        with closing(response):
            for part in response.raw.stream(_CHUNK_BYTES, decode_content=False):
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise AnswerTooLong
                parts.append(part)
        return HttpAnswer(response.status_code, response.headers, b"".join(parts))


class _Exchange:
    """One request and its answer; knows the connection that serves it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._is_over = False
        self.is_expired = False

    def use(self, connection: HTTPConnection) -> None:
        """Raises `TimeoutError` when the time is over."""
        with self._lock:
            self._connection = connection
            if self.is_expired:
                raise TimeoutError

    def finish(self) -> None:
        """The connection may serve others from now on."""
        with self._lock:
            self._is_over = True
            self._connection = None

    def expire(self) -> None:
        """Ends whatever the connection does now."""
        with self._lock:
            if self._is_over:
                return
            self.is_expired = True
            found = self._connection.sock if self._connection is not None else None
            if found is not None:
                with suppress(OSError):
                    found.shutdown(socket.SHUT_RDWR)


class _Current(threading.local):
    exchange: _Exchange | None = None


_current = _Current()


class _Watched(HTTPConnection):
    """Tells the thread's exchange which connection it uses."""

    def connect(self) -> None:
        super().connect()
        _watch(self)

    def request(self, *arguments: Any, **named: Any) -> None:
        _watch(self)
        super().request(*arguments, **named)


class _WatchedTls(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _watch(self)

    def request(self, *arguments: Any, **named: Any) -> None:
        _watch(self)
        super().request(*arguments, **named)


def _watch(connection: HTTPConnection) -> None:
    if _current.exchange is not None:
        _current.exchange.use(connection)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _Adapter(HTTPAdapter):
    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=_POOL_CONNECTIONS, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

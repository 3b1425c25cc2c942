# SPDX-License-Identifier: Apache-2.0
"""Both ends of one connection of the listener, in memory."""

import json
import queue
from typing import Any

from shard_runtime.errors import FrameInvalid, LinkClosed

_END = b""


class FakeStream:
    """The server's end; `ask`, `leave` and `next_message` are the client's."""

    def __init__(self) -> None:
        self._to_server: queue.Queue[bytes] = queue.Queue()
        self._to_client: queue.Queue[bytes] = queue.Queue()
        self._timeout = 1.0
        self.client_left = False
        self.sizes: list[int] = []  # of all that the server sent

    def receive(self, limit: int) -> bytes:
        try:
            body = self._to_server.get(timeout=self._timeout)
        except queue.Empty:
            raise LinkClosed("nothing came in time") from None
        if body == _END:
            raise LinkClosed("the peer closed it")
        if len(body) > limit:
            raise FrameInvalid("is too long")
        return body

    def send(self, body: bytes) -> None:
        if self.client_left:
            raise LinkClosed("the peer closed it")
        self.sizes.append(len(body))
        self._to_client.put(body)

    def set_timeout(self, seconds: float) -> None:
        # A test does not wait as long as a slow network may.
        self._timeout = min(seconds, 1.0)

    def close(self) -> None:
        """Nothing to free."""

    def ask(self, message: Any) -> None:
        """As the client; bytes are sent as they are."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._to_server.put(body)

    def leave(self) -> None:
        """As the client."""
        self.client_left = True
        self._to_server.put(_END)

    def next_message(self) -> Any:
        """What the client receives next, within 5 s."""
        return json.loads(self._to_client.get(timeout=5))

    def messages(self) -> list[Any]:
        """All that the client has received and not read."""
        found = []
        while not self._to_client.empty():
            found.append(json.loads(self._to_client.get_nowait()))
        return found

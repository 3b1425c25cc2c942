# SPDX-License-Identifier: Apache-2.0
"""One event loop in a thread of its own, for everything that stands in the network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LIMIT_BYTES = 1 << 25


class EventLoop:
    """Runs from construction to `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._serving: set[asyncio.Task[Any] | None] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Run a coroutine to its end. From any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Callable[[], None]) -> None:
        """Call it soon, in the loop's thread."""
        self._loop.call_soon_threadsafe(function)

    def listen(self, serve: Serve) -> int:
        """Serve connections on a free port of loopback; the port."""

        async def keep_and_serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            # asyncio keeps no reference to the tasks of connections: one that waits may be freed.
            task = asyncio.current_task()
            self._serving.add(task)
            try:
                await serve(reader, writer)
            finally:
                self._serving.discard(task)

        server = self.run(asyncio.start_server(keep_and_serve, "127.0.0.1", 0, limit=LIMIT_BYTES))
        return int(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop; connections end with the process."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

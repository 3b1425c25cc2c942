# SPDX-License-Identifier: Apache-2.0
"""The network in front of an enclave's port: relays bytes, and can cut, stall or delay them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.faults.event_loop import EventLoop

PIECE_BYTES = 65_536


class Port:
    """Relays connections from its own `number` to `target` on loopback."""

    def __init__(self, loop: EventLoop, target: int) -> None:
        self._loop = loop
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._late = 0.0
        self._flows = asyncio.Event()
        self._flows.set()
        self.number = loop.listen(self._serve)

    def cut(self) -> None:
        """Close all connections, and new ones at once."""
        self._loop.call(self._cut)

    def delay(self, seconds: float | None) -> None:
        """Every piece of bytes is late by so much; None: until `heal`."""
        self._loop.call(lambda: self._delay(seconds))

    def heal(self) -> None:
        """Relay as usual."""
        self._loop.call(self._heal)

    def _cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def _delay(self, seconds: float | None) -> None:
        if seconds is None:
            self._flows.clear()
        else:
            self._late = seconds

    def _heal(self) -> None:
        self._is_cut, self._late = False, 0.0
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._is_cut:
                raise ConnectionRefusedError
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        self._writers -= ends

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(PIECE_BYTES):
                if self._late:
                    await asyncio.sleep(self._late)
                await self._flows.wait()
                sink.write(piece)
                await sink.drain()
        with suppress(OSError, RuntimeError):
            sink.close()


class Ports:
    """A `Port` in front of every listener of a world, found by the listener's port."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._by_target: dict[int, Port] = {}

    def front(self, target: int) -> int:
        """The number of a new port in front of `target`."""
        port = self._by_target[target] = Port(self._loop, target)
        return port.number

    def before(self, target: int) -> Port:
        """The port in front of this listener."""
        return self._by_target[target]

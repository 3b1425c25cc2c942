# SPDX-License-Identifier: Apache-2.0
"""Three RPC nodes that show one chain, and that can fail, lag or lie to each enclave by itself.

A node is an HTTP server in front of anvil. The path of its URL names the enclave that asks.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from tests.faults.event_loop import LIMIT_BYTES, EventLoop
from tests.faults.misbehaviour import EVERYBODY, HttpReply, Misbehaviour, NoReply


class Nodes:
    """`count` nodes in front of the chain at `upstream_port`."""

    def __init__(self, loop: EventLoop, upstream_port: int, count: int) -> None:
        self._loop = loop
        self._nodes = [_Node(loop, upstream_port) for _ in range(count)]

    def urls(self, caller: str) -> str:
        """The setting of one enclave: all nodes, separated by commas."""
        return ",".join(f"http://127.0.0.1:{node.port}/{caller}" for node in self._nodes)

    def misbehave(self, target: str, behaviour: Misbehaviour) -> None:
        """`target`: caller@node, either of them `all`."""
        for caller, node in self._selected(target):
            self._loop.call(lambda node=node, caller=caller: node.set(caller, behaviour))  # type: ignore[misc]

    def heal(self, target: str) -> None:
        """They behave again."""
        for caller, node in self._selected(target):
            self._loop.call(lambda node=node, caller=caller: node.set(caller, None))  # type: ignore[misc]

    def _selected(self, target: str) -> list[tuple[str, _Node]]:
        caller, _, node = target.partition("@")
        chosen = self._nodes if node == EVERYBODY else [self._nodes[int(node)]]
        return [(caller, each) for each in chosen]


class _Node:
    """One HTTP server. `set` is called in the loop's thread."""

    def __init__(self, loop: EventLoop, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._behaviours: dict[str, Misbehaviour] = {}
        self.port = loop.listen(self._serve)

    def set(self, caller: str, behaviour: Misbehaviour | None) -> None:
        if behaviour is None:
            self._behaviours.pop(caller, None)
        else:
            self._behaviours[caller] = behaviour

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = _Upstream(self._upstream_port)
        with suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            while await self._serve_one(reader, writer, upstream):
                pass
        writer.transport.abort()
        upstream.close()

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: _Upstream
    ) -> bool:
        """Whether the connection goes on."""
        path, body = await _read_request(reader)
        behaviour = self._behaviours.get(path) or self._behaviours.get(EVERYBODY)

        async def forward(call: dict[str, Any]) -> dict[str, Any]:
            return dict(json.loads(await upstream.exchange(json.dumps(call).encode())))

        try:
            if behaviour is None:
                reply = HttpReply(200, await upstream.exchange(body))
            else:
                reply = await behaviour.answer(json.loads(body), forward)
        except NoReply:
            return False
        writer.write(_head(reply) + reply.body)
        await writer.drain()
        return True


class _Upstream:
    """A connection to the chain, opened when it is first needed, and again when it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, body: bytes) -> bytes:
        """The body of the reply. Raises `OSError`, `EOFError`, `ValueError`."""
        if self._ends is not None:
            try:
                return await self._try(*self._ends, body)
            except (OSError, EOFError):
                self.close()
        self._ends = await asyncio.open_connection("127.0.0.1", self._port, limit=LIMIT_BYTES)
        return await self._try(*self._ends, body)

    def close(self) -> None:
        """It may be used again."""
        if self._ends is not None:
            self._ends[1].transport.abort()
            self._ends = None

    async def _try(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
    ) -> bytes:
        writer.write(
            b"POST / HTTP/1.1\r\nHost: chain\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        return await reader.readexactly(_length(head))


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The caller and the body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    path = head.split(" ", 2)[1].strip("/")
    return path, await reader.readexactly(_length(head))


def _length(head: str) -> int:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    raise ValueError("no length")


def _head(reply: HttpReply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} x", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += [f"Content-Length: {len(reply.body)}", "", ""]
    return "\r\n".join(lines).encode()

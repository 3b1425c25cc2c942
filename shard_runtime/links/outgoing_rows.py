# SPDX-License-Identifier: Apache-2.0
"""Rows that go on to other stages, put together: one frame for each of them and step."""

from collections.abc import Iterator

from shard_runtime.links.frames import Hidden, Segment
from teetee.protocol.identifiers import ShardId


class OutgoingRows:
    """What one step hands on."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._parts: dict[ShardId, list[tuple[Segment, bytes]]] = {}

    def add(self, shard_id: ShardId, segment: Segment, data: bytes) -> None:
        """These rows go there. No run twice."""
        self._parts.setdefault(shard_id, []).append((segment, data))

    def frames(self) -> Iterator[tuple[ShardId, Hidden]]:
        """One for each stage that gets any."""
        for shard_id, parts in self._parts.items():
            data = b"".join(data for _, data in parts)
            segments = tuple(segment for segment, _ in parts)
            yield shard_id, Hidden(segments, self._width, memoryview(data))

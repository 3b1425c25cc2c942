# SPDX-License-Identifier: Apache-2.0
"""What stages know of links: three verbs. TLS and the in-memory twin are behind it."""

from collections.abc import Callable
from typing import Protocol

from teetee.protocol.identifiers import ShardId

Receive = Callable[[bytes, bytes], None]
"""(the sender's `tls`, frame body): called from reading threads, one thread per sender."""

Lost = Callable[[ShardId], None]
"""Frames to that shard did not arrive: called from sending threads."""


class Links(Protocol):
    """Frames to shards of our model, and from them."""

    def start(self, receive: Receive, lost: Lost) -> None:
        """From now on frames may come. Once."""
        ...

    def send(self, shard_id: ShardId, body: bytes) -> None:
        """Queue a frame; frames to one shard arrive in order or `lost` is called.

        Raises `LinkCongested`.
        """
        ...

    def close(self) -> None:
        """End all links. `receive` and `lost` are not called any more."""
        ...

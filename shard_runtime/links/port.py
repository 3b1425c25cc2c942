# SPDX-License-Identifier: Apache-2.0
"""The port to other shards: all that the engine knows of links. Adapters: TLS and in-memory."""

from collections.abc import Callable
from typing import Protocol

from teetee.protocol.identifiers import ShardId

OnFrame = Callable[[bytes, bytes], None]
"""(the sender's `tls`, frame body): called by reading threads, one thread per sender. If it raises
`PeerRefused`, the sender's links close, and it may not open another for a while."""

OnPeerLost = Callable[[ShardId], None]
"""Frames to that shard were lost: called by sending threads."""


class Links(Protocol):
    """Sends frames to shards of the same model, and receives theirs."""

    def start(self, on_frame: OnFrame, on_peer_lost: OnPeerLost) -> None:
        """Receive frames from now on. Called once."""
        ...

    def send_frame(self, shard_id: ShardId, body: bytes, tls: bytes | None = None) -> None:
        """Queue a frame. Frames to one shard arrive in order, or `on_peer_lost` is called.

        tls: the key of the only enclave that may get it: a frame that holds anything of a run names
        the key that the run was opened with. None: whichever enclave the directory shows.
        Raises `LinkCongested`.
        """
        ...

    def close(self) -> None:
        """End all links. `on_frame` and `on_peer_lost` are not called any more."""
        ...

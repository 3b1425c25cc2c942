# SPDX-License-Identifier: Apache-2.0
"""Two shards with listeners and TLS links on loopback."""

import queue
from dataclasses import dataclass

from shard_runtime import FixedDirectory, LinkLimits, Listener, Peer, TlsLinks
from teetee.enclave.keys import EnclaveKeys
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.rings import QUICK_LIMITS, identity_digest, keys_of, link_identity

PATIENCE = 10.0
FIRST, SECOND = ShardId(1), ShardId(2)


@dataclass
class End:
    """One shard's listener and links, with the frames and losses that it got."""

    keys: EnclaveKeys
    listener: Listener
    links: TlsLinks
    arrived: "queue.SimpleQueue[tuple[bytes, bytes]]"
    lost: "queue.SimpleQueue[ShardId]"

    def start(self) -> None:
        self.links.start(lambda sender, body: self.arrived.put((sender, body)), self.lost.put)


def peer(number: int, keys: EnclaveKeys, port: int) -> Peer:
    return Peer(
        shard_id=ShardId(number),
        host="127.0.0.1",
        port=port,
        tls=keys.keyset.tls,
        layers=LayerRange(number - 1, number),
        signer=keys.keyset.signer,
        identity_digest=identity_digest(number),
    )


class Pair:
    """Shards 1 and 2; each end may have its own directory."""

    def __init__(self, limits: LinkLimits = QUICK_LIMITS) -> None:
        self.limits = limits
        self.keys = [keys_of("shard 1"), keys_of("shard 2")]
        self.listeners = [self.listen(each) for each in self.keys]
        self.directory = FixedDirectory(self.peers())
        self._ends: list[End] = []

    def listen(self, keys: EnclaveKeys, port: int = 0, *, start: bool = True) -> Listener:
        identity = link_identity(keys)
        listener = Listener(identity=identity, host="127.0.0.1", port=port, limits=self.limits)
        if start:
            listener.start()
        return listener

    def peers(self) -> list[Peer]:
        return [
            peer(number, keys, listener.port)
            for number, (keys, listener) in enumerate(
                zip(self.keys, self.listeners, strict=True), start=1
            )
        ]

    def end(self, number: int, directory: FixedDirectory | None = None) -> End:
        keys, listener = self.keys[number - 1], self.listeners[number - 1]
        links = TlsLinks(
            identity=link_identity(keys),
            directory=directory or self.directory,
            listener=listener,
            limits=self.limits,
        )
        end = End(keys, listener, links, queue.SimpleQueue(), queue.SimpleQueue())
        end.start()
        self._ends.append(end)
        return end

    def close(self) -> None:
        for end in self._ends:
            end.links.close()
        for listener in self.listeners:
            listener.close()

# SPDX-License-Identifier: Apache-2.0
"""A stage on loopback without an enclave: random keys, a listener, and its entry in the peer
directory of other stages.
"""

import secrets
from typing import Any

from shard_runtime.engine.entry.engine import EntrySettings
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.links.identity import LinkIdentity, StageIdentity
from shard_runtime.links.listener import Listener
from shard_runtime.links.peers import Peer, PeerDirectory
from shard_runtime.links.tls_links import TlsLinks
from teetee.enclave.keys import EnclaveKeys, KeySecrets
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.typed_data import escrow_domain

MODEL_ID = ModelId(1)
DOMAIN = escrow_domain(31337, "0x000000000000000000000000000000000000c0DE")
LOOPBACK_SETTINGS = EntrySettings(heartbeats=HeartbeatSettings(max_missed=25))
"""Tolerates late stages: all share one machine, and there is no replica to switch to."""


class LoopbackStage:
    """A stage's keys and its listener."""

    def __init__(self) -> None:
        self._keys = EnclaveKeys.from_secrets(KeySecrets.fresh())
        self._identity_digest = secrets.token_bytes(32)
        self._link_identity = LinkIdentity(self._keys.tls, self._keys.tls_certificate_der)
        self._listener = Listener(identity=self._link_identity, host="127.0.0.1", port=0)

    def listen(self) -> dict[str, Any]:
        """Starts the listener; returns the fields that `loopback_peer` needs."""
        self._listener.start()
        return {
            "port": self._listener.port,
            "tls": self._keys.keyset.tls.hex(),
            "signer": self._keys.keyset.signer,
            "identityDigest": self._identity_digest.hex(),
        }

    def links(self, directory: PeerDirectory) -> TlsLinks:
        """The links to the peers in the directory."""
        return TlsLinks(identity=self._link_identity, directory=directory, listener=self._listener)

    def identity(self, shard_id: ShardId) -> StageIdentity:
        """The stage's identity under that shard id."""
        return StageIdentity(shard_id, MODEL_ID, self._identity_digest, self._keys.signer, DOMAIN)


def loopback_peer(shard_id: ShardId, layers: LayerRange, reply: dict[str, Any]) -> Peer:
    """The directory entry of a stage, from the reply of its `listen`."""
    return Peer(
        shard_id=shard_id,
        host="127.0.0.1",
        port=reply["port"],
        tls=bytes.fromhex(reply["tls"]),
        layers=layers,
        signer=reply["signer"],
        identity_digest=bytes.fromhex(reply["identityDigest"]),
    )


def peer_to_json(peer: Peer) -> dict[str, Any]:
    """A peer for the JSON lines between a tool and the stages it starts."""
    return {
        "shardId": peer.shard_id,
        "host": peer.host,
        "port": peer.port,
        "tls": peer.tls.hex(),
        "layers": [peer.layers.first, peer.layers.end],
        "signer": peer.signer,
        "identityDigest": peer.identity_digest.hex(),
    }


def peer_from_json(value: dict[str, Any]) -> Peer:
    """The inverse of `peer_to_json`."""
    return Peer(
        shard_id=ShardId(value["shardId"]),
        host=value["host"],
        port=value["port"],
        tls=bytes.fromhex(value["tls"]),
        layers=LayerRange(*value["layers"]),
        signer=value["signer"],
        identity_digest=bytes.fromhex(value["identityDigest"]),
    )

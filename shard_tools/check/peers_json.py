# SPDX-License-Identifier: Apache-2.0
"""A peer as JSON, for the lines between `check` and the processes it starts."""

from typing import Any

from shard_runtime.links.peers import Peer
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange


def peer_to_json(peer: Peer) -> dict[str, Any]:
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
    return Peer(
        shard_id=ShardId(value["shardId"]),
        host=value["host"],
        port=value["port"],
        tls=bytes.fromhex(value["tls"]),
        layers=LayerRange(*value["layers"]),
        signer=value["signer"],
        identity_digest=bytes.fromhex(value["identityDigest"]),
    )

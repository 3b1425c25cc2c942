# SPDX-License-Identifier: Apache-2.0
"""One stage of a ring on loopback, without an enclave: keys that are made here and end with the
process, a listener, and how others come to know both.
"""

import secrets
from typing import Any

from shard_runtime.engine.entry.engine import EntrySettings
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.errors import CheckFailed
from shard_runtime.links.identity import LinkIdentity, StageIdentity
from shard_runtime.links.listener import Listener
from shard_runtime.links.peers import Peer, PeerDirectory
from shard_runtime.links.tls_links import TlsLinks
from teetee.enclave.keys import EnclaveKeys
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import ReceiptDomain

MODEL_ID = ModelId(1)
DOMAIN = ReceiptDomain(31337, "0x000000000000000000000000000000000000c0DE")
PATIENT = EntrySettings(heartbeats=HeartbeatSettings(missed=25))
"""All stages share one machine and none has a replica: it is no use to leave one that is late."""


class _FreshSecrets:
    """A guest agent for one process: its keys are random and end with it."""

    def get_key(self, path: str) -> bytes:
        return secrets.token_bytes(32)

    def get_quote(self, report_data: bytes) -> bytes:
        raise CheckFailed("a stage of the check", "it is no enclave and has no quotes")


class LoopbackStage:
    """Who a stage is, and where it listens."""

    def __init__(self) -> None:
        self._keys = EnclaveKeys.derive(_FreshSecrets())
        self._identity_digest = secrets.token_bytes(32)
        self._link_identity = LinkIdentity(self._keys.tls, self._keys.tls_certificate_der)
        self._listener = Listener(identity=self._link_identity, host="127.0.0.1", port=0)

    def listen(self) -> dict[str, Any]:
        """Begin to; what `loopback_peer` makes a peer of."""
        self._listener.start()
        return {
            "port": self._listener.port,
            "tls": self._keys.keyset.tls.hex(),
            "signer": self._keys.keyset.signer,
            "identityDigest": self._identity_digest.hex(),
        }

    def links(self, directory: PeerDirectory) -> TlsLinks:
        """To those of the directory."""
        return TlsLinks(identity=self._link_identity, directory=directory, listener=self._listener)

    def identity(self, shard_id: ShardId) -> StageIdentity:
        """Its own, once it has a number."""
        return StageIdentity(shard_id, MODEL_ID, self._identity_digest, self._keys.signer, DOMAIN)


def loopback_peer(shard_id: ShardId, layers: LayerRange, reply: dict[str, Any]) -> Peer:
    """A stage as others know it, from what its `listen` said."""
    return Peer(
        shard_id=shard_id,
        host="127.0.0.1",
        port=reply["port"],
        tls=bytes.fromhex(reply["tls"]),
        layers=layers,
        signer=reply["signer"],
        identity_digest=bytes.fromhex(reply["identityDigest"]),
    )

# SPDX-License-Identifier: Apache-2.0
"""The identities of this process: to other shards on links, and to the escrow on receipts."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account.signers.local import LocalAccount

from teetee.enclave.keys import tls_fingerprint
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.typed_data import Domain


@dataclass(frozen=True, slots=True)
class LinkIdentity:
    """The key and the self-signed certificate that this enclave uses on links."""

    private_key: Ed25519PrivateKey = field(repr=False)
    certificate_der: bytes = field(repr=False)

    @property
    def tls(self) -> bytes:
        """SHA-256 of the key's SubjectPublicKeyInfo, 32 bytes: what peers pin."""
        return tls_fingerprint(self.private_key.public_key())


@dataclass(frozen=True, slots=True)
class StageIdentity:
    """All that a stage needs to sign receipts. Known once the shard is enrolled."""

    shard_id: ShardId
    model_id: ModelId
    identity_digest: bytes
    """32 bytes, `EnclaveIdentity.identity_digest()`."""
    account: LocalAccount = field(repr=False)
    domain: Domain

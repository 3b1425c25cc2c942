# SPDX-License-Identifier: Apache-2.0
"""Simulated enclaves of a four-layer model, and what their hosts enrol them with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tee_simulator import SimulatedEnclave, SimulatedPki
from teetee.enclave.keys import EnclaveKeys, KeySecrets
from teetee.protocol.identifiers import ModelId
from teetee.protocol.keyset import EnclaveIdentity, enrolment_digest, report_data
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from teetee.protocol.signatures import sign_digest
from teetee.quotes.quote import Quote

LAYERS = 4
MANIFEST = ModelManifest(
    name="four layers",
    layer_count=LAYERS,
    config_digest=b"c" * 32,
    layer_digests=tuple(bytes([layer]) * 32 for layer in range(1, LAYERS + 1)),
    embedding_digest=b"e" * 32,
    head_digest=b"h" * 32,
    context_length=2048,
)


@dataclass(frozen=True)
class Enrolment:
    """The arguments of `ShardRegistry.enrol`, but for the PCK certificate's id."""

    parameters: dict[str, Any]
    quote: bytes
    """As the guest agent gives it, with its certificates."""
    signature: bytes


@dataclass(frozen=True)
class Enclave:
    """One simulated enclave, its keys, and what it serves."""

    guest: SimulatedEnclave
    keys: EnclaveKeys
    layers: LayerRange
    is_entry: bool

    @classmethod
    def start(cls, directory: Path, name: str, pki: SimulatedPki, layers: LayerRange) -> Self:
        """The enclave of that name; it is an entry when it begins at layer 0."""
        guest = SimulatedEnclave.open(directory, name, pki)
        return cls(guest, EnclaveKeys.from_secrets(KeySecrets.fresh()), layers, layers.first == 0)

    @property
    def measurement(self) -> bytes:
        """What a model has to allow."""
        return Quote.parse(self.guest.get_quote(bytes(64))).report.measurement

    def enrolment(
        self,
        *,
        chain_id: int,
        registry: str,
        host: str,
        model_id: int,
        block_number: int,
        block_hash: bytes,
        endpoint: str = "shard.example:7443",
    ) -> Enrolment:
        """For one host, which is also the payout address, at one registry."""
        digest = self._identity(chain_id, registry, host, ModelId(model_id)).identity_digest()
        signed = enrolment_digest(
            chain_id=chain_id,
            registry=registry,
            identity_digest=digest,
            endpoint=endpoint,
            payout=host,
            block_number=block_number,
        )
        parameters = {
            "modelId": model_id,
            "firstLayer": self.layers.first,
            "endLayer": self.layers.end,
            "isEntry": self.is_entry,
            "signer": self.keys.keyset.signer,
            "kem": self.keys.keyset.kem,
            "tls": self.keys.keyset.tls,
            "endpoint": endpoint,
            "payout": host,
            "blockNumber": block_number,
        }
        return Enrolment(
            parameters,
            self.guest.get_quote(report_data(digest, block_number, block_hash)),
            sign_digest(self.keys.signer, signed).to_rsv(),
        )

    def _identity(
        self, chain_id: int, registry: str, host: str, model_id: ModelId
    ) -> EnclaveIdentity:
        return EnclaveIdentity(
            chain_id=chain_id,
            registry=registry,
            host=host,
            model_id=model_id,
            layers=self.layers,
            is_entry=self.is_entry,
            slice_digest=MANIFEST.slice_digest(self.layers, self.is_entry),
            keyset=self.keys.keyset,
        )

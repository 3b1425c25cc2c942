# SPDX-License-Identifier: Apache-2.0
"""An enclave's identity: its public keys, host, layers and loaded weights, and their hash.

docs/protocol.md section 3. Independent of private keys, quote layouts and contracts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.address import is_address, is_checksum_address, to_checksum_address

from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import ModelId
from teetee.protocol.json.strict import (
    malformed_frame,
    require_boolean,
    require_bytes,
    require_integer,
    require_text,
)
from teetee.protocol.layers import LayerRange
from teetee.protocol.typed_data import StructType, registry_domain

_IDENTITY = StructType(
    "TeeTeeIdentity(uint256 chainId,address registry,address host,uint32 modelId,uint16 "
    "firstLayer,uint16 endLayer,bool isEntry,bytes32 sliceDigest,address signer,bytes32 "
    "kem,bytes32 tls)"
)
_REPORT = StructType("TeeTeeReport(bytes32 identityDigest,uint256 blockNumber,bytes32 blockHash)")
_ENROLMENT = StructType(
    "Enrolment(bytes32 identityDigest,string endpoint,address payout,uint256 blockNumber)"
)
_QUOTE_REQUEST = StructType(
    "QuoteRequest(uint256 blockNumber,bytes32 blockHash,string endpoint,address payout)"
)

IDENTITY_TYPEHASH = _IDENTITY.type_hash
REPORT_TYPEHASH = _REPORT.type_hash
ENROLMENT_TYPEHASH = _ENROLMENT.type_hash
QUOTE_REQUEST_TYPEHASH = _QUOTE_REQUEST.type_hash

_MAX_UINT32 = (1 << 32) - 1
_MAX_UINT256 = (1 << 256) - 1


@dataclass(frozen=True, slots=True)
class Keyset:
    """An enclave's public keys."""

    signer: str
    """Checksummed secp256k1 address that signs receipts and transactions."""
    kem: bytes
    """SHA-256 of the key that prompts are sealed to (`teetee.protocol.sealing.key`), 32 bytes."""
    tls: bytes
    """SHA-256 of the TLS key's SubjectPublicKeyInfo, 32 bytes."""

    def __post_init__(self) -> None:
        if not is_checksum_address(self.signer):
            raise FieldInvalid("signer", "must be a checksummed address")
        for name, value in (("kem", self.kem), ("tls", self.tls)):
            if len(value) != 32:
                raise FieldInvalid(name, "must be 32 bytes")


@dataclass(frozen=True, slots=True)
class EnclaveIdentity:
    """Everything that a quote of this enclave attests, except the time."""

    chain_id: int
    registry: str
    host: str
    model_id: ModelId
    layers: LayerRange
    is_entry: bool
    slice_digest: bytes
    """32 bytes, over the tensors actually loaded."""
    keyset: Keyset

    def identity_digest(self) -> bytes:
        """32 bytes, the same for every renewal."""
        return _IDENTITY.hash(
            self.chain_id,
            to_checksum_address(self.registry),
            to_checksum_address(self.host),
            self.model_id,
            self.layers.first,
            self.layers.end,
            self.is_entry,
            self.slice_digest,
            self.keyset.signer,
            self.keyset.kem,
            self.keyset.tls,
        )

    def to_json(self) -> dict[str, Any]:
        """As `teetee-enrol/1` carries it: numbers, checksummed addresses, bytes as hex with 0x."""
        return {
            "chainId": self.chain_id,
            "registry": self.registry,
            "host": self.host,
            "modelId": self.model_id,
            "firstLayer": self.layers.first,
            "endLayer": self.layers.end,
            "isEntry": self.is_entry,
            "sliceDigest": "0x" + self.slice_digest.hex(),
            "signer": self.keyset.signer,
            "kem": "0x" + self.keyset.kem.hex(),
            "tls": "0x" + self.keyset.tls.hex(),
        }

    @classmethod
    def from_json(cls, message: Mapping[str, Any]) -> "EnclaveIdentity":
        """The reverse of `to_json`; other fields of the message are ignored.

        Raises `MalformedFrame` for a field that is missing or of another type, and `FieldInvalid`
        for layers or keys outside their bounds.
        """

        def number(name: str, last: int = _MAX_UINT32) -> int:
            return require_integer(message.get(name), name, 0, last, malformed_frame)

        def text(name: str) -> str:
            return require_text(message.get(name), name, malformed_frame)

        def address(name: str) -> str:
            if not is_address(found := text(name)):
                raise malformed_frame(name, "must be an address")
            return found

        def data(name: str) -> bytes:
            return require_bytes(message.get(name), name, malformed_frame)

        return cls(
            chain_id=number("chainId", _MAX_UINT256),
            registry=address("registry"),
            host=address("host"),
            model_id=ModelId(number("modelId")),
            layers=LayerRange(number("firstLayer"), number("endLayer")),
            is_entry=require_boolean(message.get("isEntry"), "isEntry", malformed_frame),
            slice_digest=require_bytes(
                message.get("sliceDigest"), "sliceDigest", malformed_frame, size=32
            ),
            keyset=Keyset(text("signer"), data("kem"), data("tls")),
        )


def report_data(identity_digest: bytes, block_number: int, block_hash: bytes) -> bytes:
    """A quote's 64 bytes of report data: the identity, and a recent block that proves the quote is
    newer.
    """
    return _REPORT.hash(identity_digest, block_number, block_hash) + bytes(32)


def enrolment_digest(
    *,
    chain_id: int,
    registry: str,
    identity_digest: bytes,
    endpoint: str,
    payout: str,
    block_number: int,
) -> bytes:
    """The 32 bytes (EIP-712) that the enclave's signer signs, which prevents an enrolment with
    another endpoint or payout address.
    """
    domain = registry_domain(chain_id, registry)
    return domain.digest(_ENROLMENT.hash(identity_digest, endpoint, payout, block_number))


def quote_request_digest(
    *,
    chain_id: int,
    registry: str,
    block_number: int,
    block_hash: bytes,
    endpoint: str,
    payout: str,
) -> bytes:
    """The 32 bytes (EIP-712) that the host's wallet signs when it asks its enclave for a quote, so
    that the enclave tells its host from other clients.
    """
    domain = registry_domain(chain_id, registry)
    return domain.digest(_QUOTE_REQUEST.hash(block_number, block_hash, endpoint, payout))

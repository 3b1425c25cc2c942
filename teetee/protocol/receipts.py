# SPDX-License-Identifier: Apache-2.0
"""Receipts, which each stage signs for a request, and settlements, which the entry signs.
docs/protocol.md section 5.

Both are signed under `typed_data.escrow_domain`; contracts/libraries/ReceiptHash.sol hashes the
same structs. A receipt is its signer's claim; the escrow and `teetee verify` check that signer,
layers and neighbours fit together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.json.strict import require_bytes, require_integer
from teetee.protocol.layers import LayerRange
from teetee.protocol.signatures import CompactSignature, sign_digest
from teetee.protocol.typed_data import Domain, StructType

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_RECEIPT = StructType(
    "StageReceipt(uint256 requestId,uint32 modelId,uint32 shardId,uint16 firstLayer,uint16 "
    "endLayer,bytes32 identityDigest,uint32 firstPosition,uint32 endPosition,bytes32 "
    "inputCommitment,bytes32 outputCommitment,bytes32 previousReceipt)"
)
_SETTLEMENT = StructType(
    "Settlement(uint256 requestId,address requester,bytes4 noncePrefix,uint32 inputTokens,uint32 "
    "outputTokens,bytes32 answerHash,bytes32 lastReceipt)"
)

STAGE_RECEIPT_TYPEHASH = _RECEIPT.type_hash
SETTLEMENT_TYPEHASH = _SETTLEMENT.type_hash
NO_PREVIOUS_RECEIPT = bytes(32)
"""`previous_receipt` of the entry's receipt."""

_MAX_UINT32 = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class StageReceipt:
    """One stage's claim about its work on one request."""

    request_id: RequestId
    model_id: ModelId
    shard_id: ShardId
    layers: LayerRange
    identity_digest: bytes
    first_position: int
    end_position: int
    input_commitment: bytes
    output_commitment: bytes
    previous_receipt: bytes

    def struct_hash(self) -> bytes:
        """32 bytes: `previous_receipt` of the next stage's receipt."""
        return _RECEIPT.hash(
            self.request_id,
            self.model_id,
            self.shard_id,
            self.layers.first,
            self.layers.end,
            self.identity_digest,
            self.first_position,
            self.end_position,
            self.input_commitment,
            self.output_commitment,
            self.previous_receipt,
        )

    def sign(self, account: LocalAccount, domain: Domain) -> SignedReceipt:
        """Sign as the stage's enclave."""
        signature = sign_digest(account, domain.digest(self.struct_hash()))
        return SignedReceipt(self, signature.r, signature.vs)


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt and its EIP-2098 signature."""

    receipt: StageReceipt
    r: bytes
    vs: bytes

    def recover(self, domain: Domain) -> str:
        """The checksummed address that signed. Raises `SignatureInvalid` if there is none."""
        return CompactSignature(self.r, self.vs).recover(domain.digest(self.receipt.struct_hash()))

    def to_json(self) -> dict[str, Any]:
        """For links between enclaves and for reports: numbers, and bytes as hex with 0x."""
        receipt = self.receipt
        return {
            "requestId": str(receipt.request_id),
            "modelId": receipt.model_id,
            "shardId": receipt.shard_id,
            "firstLayer": receipt.layers.first,
            "endLayer": receipt.layers.end,
            "identityDigest": _hex(receipt.identity_digest),
            "firstPosition": receipt.first_position,
            "endPosition": receipt.end_position,
            "inputCommitment": _hex(receipt.input_commitment),
            "outputCommitment": _hex(receipt.output_commitment),
            "previousReceipt": _hex(receipt.previous_receipt),
            "r": _hex(self.r),
            "vs": _hex(self.vs),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SignedReceipt:
        """The reverse of `to_json`. Raises `FieldInvalid` naming the first invalid field."""
        receipt = StageReceipt(
            request_id=RequestId(_decimal(value, "requestId")),
            model_id=ModelId(_number(value, "modelId")),
            shard_id=ShardId(_number(value, "shardId")),
            layers=LayerRange(_number(value, "firstLayer"), _number(value, "endLayer")),
            identity_digest=_bytes32(value, "identityDigest"),
            first_position=_number(value, "firstPosition"),
            end_position=_number(value, "endPosition"),
            input_commitment=_bytes32(value, "inputCommitment"),
            output_commitment=_bytes32(value, "outputCommitment"),
            previous_receipt=_bytes32(value, "previousReceipt"),
        )
        return cls(receipt, _bytes32(value, "r"), _bytes32(value, "vs"))


@dataclass(frozen=True, slots=True)
class Settlement:
    """The entry's statement that closes a request: the tokens used, the answer, the receipts."""

    request_id: RequestId
    requester: str
    nonce_prefix: bytes
    """The first 4 bytes of the client's nonce. With the requester, it guards against a
    reorganization that gives the id to another request."""
    input_tokens: int
    output_tokens: int
    answer_hash: bytes
    """keccak256 of the sealed answer."""
    last_receipt: bytes
    """Struct hash of the last stage's receipt."""

    def struct_hash(self) -> bytes:
        """32 bytes."""
        return _SETTLEMENT.hash(
            self.request_id,
            self.requester,
            self.nonce_prefix,
            self.input_tokens,
            self.output_tokens,
            self.answer_hash,
            self.last_receipt,
        )

    def sign(self, account: LocalAccount, domain: Domain) -> SignedSettlement:
        """Sign as the entry's enclave."""
        signature = sign_digest(account, domain.digest(self.struct_hash()))
        return SignedSettlement(self, signature.r, signature.vs)


@dataclass(frozen=True, slots=True)
class SignedSettlement:
    """A settlement and its EIP-2098 signature."""

    settlement: Settlement
    r: bytes
    vs: bytes

    def recover(self, domain: Domain) -> str:
        """The checksummed address that signed. Raises `SignatureInvalid` if there is none."""
        return CompactSignature(self.r, self.vs).recover(
            domain.digest(self.settlement.struct_hash())
        )


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _number(value: Mapping[str, Any], field: str) -> int:
    return require_integer(value.get(field), field, 0, _MAX_UINT32, FieldInvalid)


def _decimal(value: Mapping[str, Any], field: str) -> int:
    text = value.get(field)
    if not isinstance(text, str) or len(text) > 78 or not (text.isascii() and text.isdecimal()):
        raise FieldInvalid(field, "must be a decimal number as a string")
    return int(text)


def _bytes32(value: Mapping[str, Any], field: str) -> bytes:
    return require_bytes(value.get(field), field, FieldInvalid, size=32)

# SPDX-License-Identifier: Apache-2.0
"""Settlements as calldata: from signed receipts to what `settle` takes, and back from a
transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.receipts import SignedReceipt, SignedSettlement


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSignature:
    """What of a stage's receipt is in calldata; the contract knows the rest itself."""

    shard_id: ShardId
    input_commitment: bytes
    output_commitment: bytes
    r: bytes
    vs: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementParameters:
    """What closes a request."""

    request_id: RequestId
    input_tokens: int
    output_tokens: int
    stages: tuple[StageSignature, ...]
    """In the order of the path, the entry first."""
    answer: bytes
    r: bytes
    vs: bytes

    @classmethod
    def from_signed(
        cls, closing: SignedSettlement, receipts: tuple[SignedReceipt, ...], answer: bytes
    ) -> "SettlementParameters":
        """From what the stages and the entry have signed. Nothing is checked: the contract does."""
        settlement = closing.settlement
        return cls(
            request_id=settlement.request_id,
            input_tokens=settlement.input_tokens,
            output_tokens=settlement.output_tokens,
            stages=tuple(
                StageSignature(
                    shard_id=signed.receipt.shard_id,
                    input_commitment=signed.receipt.input_commitment,
                    output_commitment=signed.receipt.output_commitment,
                    r=signed.r,
                    vs=signed.vs,
                )
                for signed in receipts
            ),
            answer=answer,
            r=closing.r,
            vs=closing.vs,
        )

    def to_abi(self) -> dict[str, object]:
        """As the contract wants it."""
        return {
            "requestId": self.request_id,
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "receipts": [
                {
                    "shardId": stage.shard_id,
                    "inputCommitment": stage.input_commitment,
                    "outputCommitment": stage.output_commitment,
                    "r": stage.r,
                    "vs": stage.vs,
                }
                for stage in self.stages
            ],
            "answer": self.answer,
            "r": self.r,
            "vs": self.vs,
        }

    @classmethod
    def from_abi(cls, value: Mapping[str, Any]) -> "SettlementParameters":
        """From decoded calldata."""
        return cls(
            request_id=RequestId(value["requestId"]),
            input_tokens=value["inputTokens"],
            output_tokens=value["outputTokens"],
            stages=tuple(
                StageSignature(
                    shard_id=ShardId(stage["shardId"]),
                    input_commitment=stage["inputCommitment"],
                    output_commitment=stage["outputCommitment"],
                    r=stage["r"],
                    vs=stage["vs"],
                )
                for stage in value["receipts"]
            ),
            answer=value["answer"],
            r=value["r"],
            vs=value["vs"],
        )

# SPDX-License-Identifier: Apache-2.0
"""Settlements as calldata: from signed receipts to the arguments of `settle`, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teetee.chain.types.abi_fields import from_abi, to_abi
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.receipts import SignedReceipt, SignedSettlement


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSignature:
    """The part of a stage's receipt that is in calldata; the contract knows the rest."""

    shard_id: ShardId
    input_commitment: bytes
    output_commitment: bytes
    r: bytes
    vs: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementParameters:
    """The arguments that settle a request."""

    request_id: RequestId
    input_tokens: int
    output_tokens: int
    stages: tuple[StageSignature, ...]
    """In path order, the entry first."""
    answer: bytes
    r: bytes
    vs: bytes

    @classmethod
    def from_signed(
        cls, closing: SignedSettlement, receipts: tuple[SignedReceipt, ...], answer: bytes
    ) -> "SettlementParameters":
        """From what the stages and the entry signed. Checks nothing; the contract does."""
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
        """As the contract takes it."""
        return {
            "requestId": self.request_id,
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "receipts": [to_abi(stage) for stage in self.stages],
            "answer": self.answer,
            "r": self.r,
            "vs": self.vs,
        }

    @classmethod
    def from_abi(cls, value: Mapping[str, Any]) -> "SettlementParameters":
        """From decoded calldata."""
        stages = tuple(from_abi(StageSignature, receipt) for receipt in value["receipts"])
        return from_abi(cls, value, stages=stages)

# SPDX-License-Identifier: Apache-2.0
"""The journal's records of a request: ciphertext and public data, nothing else.

Each record is written as JSON and checked when it is read, because the host controls the disk. A
forged record can at worst stop this oracle from answering: the escrow accepts only what the
enclaves' signatures cover.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from oracle.errors import JournalUnreadable
from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.receipts import Settlement, SignedReceipt, SignedSettlement
from teetee.protocol.request_secret import RequestContext

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Opening:
    """A request as contract state and its opening event show it: all that an answer needs."""

    request: Request  # at the block at which it was fetched
    chain_id: int
    escrow: str
    client_nonce: bytes  # 32 bytes
    envelope: bytes = field(repr=False)  # ciphertext

    @property
    def request_id(self) -> RequestId:
        """Its number. After a reorganisation, another request can have the same number."""
        return self.request.request_id

    @property
    def context(self) -> RequestContext:
        """The values that the envelope is bound to."""
        return RequestContext(
            chain_id=self.chain_id,
            escrow=self.escrow,
            requester=self.request.requester,
            model_id=self.request.model_id,
            client_nonce=self.client_nonce,
        )

    def is_of(self, request: Request) -> bool:
        """Whether `request`, read later, is the same request by contract state."""
        return replace(request, status=self.request.status) == self.request

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        request = self.request
        return {
            "requestId": str(request.request_id),
            "requester": request.requester,
            "modelId": request.model_id,
            "status": request.status.value,
            "openedAt": request.opened_at,
            "deadline": request.deadline,
            "maxInputTokens": request.max_input_tokens,
            "maxOutputTokens": request.max_output_tokens,
            "inputPrice": str(request.input_price),
            "outputPrice": str(request.output_price),
            "deposit": str(request.deposit),
            "recipients": list(request.recipients),
            "chainId": self.chain_id,
            "escrow": self.escrow,
            "clientNonce": self.client_nonce.hex(),
            "envelope": self.envelope.hex(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Opening":
        """The reverse. Raises `JournalUnreadable`."""
        return _read(
            "an opening",
            lambda: cls(
                request=_request(value),
                chain_id=int(value["chainId"]),
                escrow=str(value["escrow"]),
                client_nonce=bytes.fromhex(value["clientNonce"]),
                envelope=bytes.fromhex(value["envelope"]),
            ),
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """The sealed answer, with the settlement and the receipts that the escrow asks for."""

    signed: SignedSettlement
    receipts: tuple[SignedReceipt, ...]
    answer: bytes = field(repr=False)  # ciphertext

    @property
    def request_id(self) -> RequestId:
        """The request that it answers."""
        return self.signed.settlement.request_id

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        settlement = self.signed.settlement
        return {
            "kind": "answered",
            "requestId": str(settlement.request_id),
            "requester": settlement.requester,
            "inputTokens": settlement.input_tokens,
            "outputTokens": settlement.output_tokens,
            "answerHash": settlement.answer_hash.hex(),
            "lastReceipt": settlement.last_receipt.hex(),
            "r": self.signed.r.hex(),
            "vs": self.signed.vs.hex(),
            "receipts": [receipt.to_json() for receipt in self.receipts],
            "answer": self.answer.hex(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Answered":
        """The reverse. Raises `JournalUnreadable`."""
        return _read(
            "an answer",
            lambda: cls(
                signed=SignedSettlement(
                    settlement=Settlement(
                        request_id=RequestId(int(value["requestId"])),
                        requester=str(value["requester"]),
                        input_tokens=int(value["inputTokens"]),
                        output_tokens=int(value["outputTokens"]),
                        answer_hash=bytes.fromhex(value["answerHash"]),
                        last_receipt=bytes.fromhex(value["lastReceipt"]),
                    ),
                    r=bytes.fromhex(value["r"]),
                    vs=bytes.fromhex(value["vs"]),
                ),
                receipts=tuple(SignedReceipt.from_json(receipt) for receipt in value["receipts"]),
                answer=bytes.fromhex(value["answer"]),
            ),
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """This oracle will decline the request."""

    reason: DeclineReason

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": "refused", "reason": self.reason.value}


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request had ended, or its deadline had passed, before there was an answer."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": "nothing"}


Outcome = Answered | Refused | NoAnswer
"""The result of working on a request, before anything is sent."""


def outcome_from_json(value: Mapping[str, Any]) -> Outcome:
    """The reverse of the three `to_json`. Raises `JournalUnreadable`."""
    match value.get("kind"):
        case "answered":
            return Answered.from_json(value)
        case "refused":
            return _read("a refusal", lambda: Refused(DeclineReason(value["reason"])))
        case "nothing":
            return NoAnswer()
        case _:
            raise JournalUnreadable(what="an outcome of unknown kind")


@dataclass(frozen=True, slots=True)
class Ended:
    """How the request ended on chain."""

    status: RequestStatus
    transaction: str | None  # this oracle's transaction, if it was the one that ended the request

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"status": self.status.name, "transaction": self.transaction}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Ended":
        """The reverse. Raises `JournalUnreadable`."""
        return _read(
            "an end", lambda: cls(RequestStatus[value["status"]], value.get("transaction"))
        )


def _request(value: Mapping[str, Any]) -> Request:
    return Request(
        request_id=RequestId(int(value["requestId"])),
        requester=str(value["requester"]),
        model_id=ModelId(int(value["modelId"])),
        status=RequestStatus(value["status"]),
        opened_at=int(value["openedAt"]),
        deadline=int(value["deadline"]),
        max_input_tokens=int(value["maxInputTokens"]),
        max_output_tokens=int(value["maxOutputTokens"]),
        input_price=int(value["inputPrice"]),
        output_price=int(value["outputPrice"]),
        deposit=int(value["deposit"]),
        recipients=tuple(ShardId(int(shard_id)) for shard_id in value["recipients"]),
    )


def _read(what: str, make: Callable[[], Record]) -> Record:
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError, TeeTeeError):
        # `from None`: the original message could quote the record.
        raise JournalUnreadable(what=f"{what} that this program did not write") from None

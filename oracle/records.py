# SPDX-License-Identifier: Apache-2.0
"""What the journal keeps of a request: ciphertext and public data, nothing else.

Each record goes to JSON and comes back checked, because the disk is the host's. A record that was
changed there can at worst keep this oracle from answering: the escrow takes only what the enclaves'
signatures cover.
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
    """A request as contract state and its opening event show it; enough to open and to answer."""

    request: Request  # as it was when it was fetched
    chain_id: int
    escrow: str
    client_nonce: bytes  # 32 bytes
    envelope: bytes = field(repr=False)  # ciphertext

    @property
    def request_id(self) -> RequestId:
        """Its number; after a reorganisation, that alone does not name it."""
        return self.request.request_id

    @property
    def context(self) -> RequestContext:
        """What the envelope is bound to."""
        return RequestContext(
            chain_id=self.chain_id,
            escrow=self.escrow,
            requester=self.request.requester,
            model_id=self.request.model_id,
            client_nonce=self.client_nonce,
        )

    def is_of(self, request: Request) -> bool:
        """Whether `request`, read later, is still this one, as far as contract state tells."""
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
    """The sealed answer with everything that the escrow wants to see."""

    signed: SignedSettlement
    receipts: tuple[SignedReceipt, ...]
    answer: bytes = field(repr=False)  # ciphertext

    @property
    def request_id(self) -> RequestId:
        """Which request it answers."""
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
class Nothing:
    """Nothing was made, because the request had ended or its deadline had passed."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": "nothing"}


Made = Answered | Refused | Nothing


def made_from_json(value: Mapping[str, Any]) -> Made:
    """The reverse of the three `to_json`. Raises `JournalUnreadable`."""
    match value.get("kind"):
        case "answered":
            return Answered.from_json(value)
        case "refused":
            return _read("a refusal", lambda: Refused(DeclineReason(value["reason"])))
        case "nothing":
            return Nothing()
        case _:
            raise JournalUnreadable(what="an outcome of unknown kind")


@dataclass(frozen=True, slots=True)
class Ended:
    """How the request ended, as the escrow told."""

    status: RequestStatus
    transaction: str | None  # ours, if it was ours

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
        # Without `from`: the text could quote the record.
        raise JournalUnreadable(what=f"{what} that it did not write") from None

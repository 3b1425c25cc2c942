"""What the journal keeps of a request: ciphertext and public data, nothing else.

Each record goes to JSON and comes back checked, because the disk is the host's. A record that was
changed there can at worst keep this oracle from answering: the escrow takes only what the enclaves'
signatures cover.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from oracle.decision import ChainStatus, OpenedRequest, Reason
from oracle.errors import JournalUnreadable
from teetee.errors import TeeTeeError
from teetee.identifiers import ModelId, RequestId, ShardId
from teetee.receipts import Settlement, SignedReceipt, SignedSettlement
from teetee.request_secret import RequestContext

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Opening:
    """A request as its opening event shows it; enough to open and to answer."""

    request: OpenedRequest  # as it was when it was fetched
    context: RequestContext
    envelope: bytes = field(repr=False)  # ciphertext

    @property
    def request_id(self) -> RequestId:
        """Its number; after a reorganisation, that alone does not name it."""
        return self.request.request_id

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        context, request = self.context, self.request
        return {
            "requestId": str(request.request_id),
            "status": request.status.value,
            "openedAt": request.opened_at,
            "deadline": request.deadline,
            "recipients": list(request.recipients),
            "chainId": context.chain_id,
            "escrow": context.escrow,
            "requester": context.requester,
            "modelId": context.model_id,
            "clientNonce": context.client_nonce.hex(),
            "maxInputTokens": request.max_input_tokens,
            "maxOutputTokens": request.max_output_tokens,
            "envelope": self.envelope.hex(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Opening":
        """The reverse. Raises `JournalUnreadable`."""
        return _read(
            "an opening",
            lambda: cls(
                request=_request(value),
                context=RequestContext(
                    chain_id=int(value["chainId"]),
                    escrow=str(value["escrow"]),
                    requester=str(value["requester"]),
                    model_id=ModelId(int(value["modelId"])),
                    client_nonce=bytes.fromhex(value["clientNonce"]),
                ),
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

    reason: Reason

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": "refused", "reason": int(self.reason)}


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
            return _read("a refusal", lambda: Refused(Reason(value["reason"])))
        case "nothing":
            return Nothing()
        case _:
            raise JournalUnreadable(what="an outcome of unknown kind")


@dataclass(frozen=True, slots=True)
class Ended:
    """How the request ended, as the escrow told."""

    status: ChainStatus
    transaction: str | None  # ours, if it was ours

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"status": self.status.value, "transaction": self.transaction}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Ended":
        """The reverse. Raises `JournalUnreadable`."""
        return _read("an end", lambda: cls(ChainStatus(value["status"]), value.get("transaction")))


def _request(value: Mapping[str, Any]) -> OpenedRequest:
    return OpenedRequest(
        request_id=RequestId(int(value["requestId"])),
        status=ChainStatus(value["status"]),
        requester=str(value["requester"]),
        opened_at=int(value["openedAt"]),
        deadline=int(value["deadline"]),
        max_input_tokens=int(value["maxInputTokens"]),
        max_output_tokens=int(value["maxOutputTokens"]),
        recipients=tuple(ShardId(int(shard_id)) for shard_id in value["recipients"]),
    )


def _read(what: str, make: Callable[[], Record]) -> Record:
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError, TeeTeeError):
        # Without `from`: the text could quote the record.
        raise JournalUnreadable(what=f"{what} that it did not write") from None

# SPDX-License-Identifier: Apache-2.0
"""What an entry knows of a request: ciphertext and public data, nothing else.

An answer is written to the journal as JSON and checked when it is read, because the host controls
the disk: only what this enclave's key signed is believed, and the escrow checks the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from eth_utils.crypto import keccak

from oracle.errors import JournalUnreadable
from teetee.chain.types.requests import DeclineReason, Request
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import RequestId
from teetee.protocol.receipts import Settlement, SignedReceipt, SignedSettlement
from teetee.protocol.request_secret import NONCE_PREFIX_BYTES, RequestContext
from teetee.protocol.typed_data import Domain

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Opening:
    """A request as contract state and its opening event show it: all that an answer needs."""

    request: Request  # at the block at which it was fetched
    chain_id: int
    escrow: str
    client_nonce: bytes  # 32 bytes
    block_number: int  # of the event
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

    def require_signer(self, signer: str, domain: Domain) -> None:
        """Raises `JournalUnreadable` unless `signer`, checksummed, signed it, answer included."""
        settlement = self.signed.settlement
        is_whole = settlement.answer_hash == keccak(self.answer)
        if not is_whole or _read("an answer", lambda: self.signed.recover(domain)) != signer:
            raise JournalUnreadable(what="an answer that this enclave did not sign")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        settlement = self.signed.settlement
        return {
            "requestId": str(settlement.request_id),
            "requester": settlement.requester,
            "noncePrefix": settlement.nonce_prefix.hex(),
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
                        nonce_prefix=_fixed(value["noncePrefix"], NONCE_PREFIX_BYTES),
                        input_tokens=_uint32(value["inputTokens"]),
                        output_tokens=_uint32(value["outputTokens"]),
                        answer_hash=_fixed(value["answerHash"]),
                        last_receipt=_fixed(value["lastReceipt"]),
                    ),
                    r=_fixed(value["r"]),
                    vs=_fixed(value["vs"]),
                ),
                receipts=tuple(SignedReceipt.from_json(receipt) for receipt in value["receipts"]),
                answer=bytes.fromhex(value["answer"]),
            ),
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """This oracle will decline the request."""

    reason: DeclineReason


Outcome = Answered | Refused
"""The result of working on a request, before anything is sent."""


def _uint32(value: Any) -> int:
    number = int(value)
    if not 0 <= number < 1 << 32:
        raise ValueError
    return number


def _fixed(value: Any, size: int = 32) -> bytes:
    data = bytes.fromhex(value)
    if len(data) != size:
        raise ValueError
    return data


def _read(what: str, make: Callable[[], Record]) -> Record:
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError, TeeTeeError):
        # `from None`: the original message could quote the record.
        raise JournalUnreadable(what=f"{what} that this program did not write") from None

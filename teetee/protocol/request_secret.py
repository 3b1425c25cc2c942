# SPDX-License-Identifier: Apache-2.0
"""The secret of one request, and everything that is derived from it. docs/protocol.md sections 4, 5
and 7.

Who knows the secret reads prompt and answer: the wallet which made it and the enclaves it was
sealed to.
"""

from dataclasses import dataclass, field
from os import urandom

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import ModelId, RequestId
from teetee.protocol.typed_data import StructType

SECRET_BYTES = 32
SEED_BITS = 53
"""Integers up to this size survive JSON in every language."""

_CONTEXT = StructType(
    "TeeTeeEnvelope(uint256 chainId,address escrow,address requester,uint32 modelId,bytes32 "
    "clientNonce)"
)
ENVELOPE_TYPEHASH = _CONTEXT.type_hash


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What an envelope is bound to: copied from the chain and posted by another wallet, it opens
    for nobody.
    """

    chain_id: int
    escrow: str
    requester: str
    model_id: ModelId
    client_nonce: bytes
    """32 bytes, fresh for every request."""

    def digest(self) -> bytes:
        """32 bytes."""
        return _CONTEXT.hash(
            self.chain_id, self.escrow, self.requester, self.model_id, self.client_nonce
        )


@dataclass(frozen=True, slots=True)
class RequestSecret:
    """32 random bytes. Each key below is derived for one purpose and one message; the repr shows
    none of them.
    """

    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.value) != SECRET_BYTES:
            raise FieldInvalid("secret", f"must be {SECRET_BYTES} bytes")

    @classmethod
    def fresh(cls) -> "RequestSecret":
        """A new one, from the operating system's randomness."""
        return cls(urandom(SECRET_BYTES))

    def prompt_key(self, context: RequestContext) -> bytes:
        """AES-256 key of the one prompt."""
        return self._derive(b"teetee/prompt/v1" + context.digest())

    def answer_key(self, context: RequestContext, request_id: RequestId) -> bytes:
        """AES-256 key of the one answer."""
        return self._derive(b"teetee/answer/v1" + context.digest() + request_id.to_bytes(32))

    def commitment_salt(self, context: RequestContext, hop: int) -> bytes:
        """32 bytes which keep the commitments of one hop from being guessed."""
        return self._derive(b"teetee/commitment/v1" + context.digest() + hop.to_bytes(4))

    def seed(self, context: RequestContext) -> int:
        """The sampling seed, 53 bits, when the requester names none."""
        return int.from_bytes(self._derive(b"teetee/seed/v1" + context.digest())[:8]) >> (
            64 - SEED_BITS
        )

    def stream_proof(self, context: RequestContext, request_id: RequestId) -> bytes:
        """32 bytes which show to an enclave that the caller knows the secret."""
        mac = HMAC(self._derive(b"teetee/stream/v1" + context.digest()), SHA256())
        mac.update(request_id.to_bytes(32))
        return mac.finalize()

    def _derive(self, info: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self.value)

# SPDX-License-Identifier: Apache-2.0
"""A request's secret, and the keys derived from it. docs/protocol.md sections 4, 5 and 7.

The secret gives access to prompt and answer. It is known to the wallet that created it and to the
enclaves that it was sealed to.
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
NONCE_PREFIX_BYTES = 4
"""How much of a request's nonce the escrow stores (contracts/types/Request.sol)."""
SEED_BITS = 53
"""JSON represents integers up to this size exactly in every language."""

_CONTEXT = StructType(
    "TeeTeeEnvelope(uint256 chainId,address escrow,address requester,uint32 modelId,bytes32 "
    "clientNonce)"
)
ENVELOPE_TYPEHASH = _CONTEXT.type_hash


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What an envelope is bound to. A copy that another wallet posts cannot be opened."""

    chain_id: int
    escrow: str
    requester: str
    model_id: ModelId
    client_nonce: bytes
    """32 bytes, fresh for every request."""

    @property
    def nonce_prefix(self) -> bytes:
        """The part of the nonce that the escrow stores, and that a settlement is bound to."""
        return self.client_nonce[:NONCE_PREFIX_BYTES]

    def digest(self) -> bytes:
        """32 bytes."""
        return _CONTEXT.hash(
            self.chain_id, self.escrow, self.requester, self.model_id, self.client_nonce
        )


@dataclass(frozen=True, slots=True)
class RequestSecret:
    """32 random bytes. Each derived key has one purpose and one message; the repr shows none."""

    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.value) != SECRET_BYTES:
            raise FieldInvalid("secret", f"must be {SECRET_BYTES} bytes")

    @classmethod
    def fresh(cls) -> "RequestSecret":
        """A new secret, from the operating system's randomness."""
        return cls(urandom(SECRET_BYTES))

    def prompt_key(self, context: RequestContext) -> bytes:
        """AES-256 key for the prompt."""
        return self._derive(b"teetee/prompt/v1" + context.digest())

    def key_commitment(self, context: RequestContext) -> bytes:
        """32 public bytes that no other secret has: AES-GCM alone opens one text by two keys."""
        return self._derive(b"teetee/key-commitment/v1" + context.digest())

    def answer_key(self, context: RequestContext, request_id: RequestId) -> bytes:
        """AES-256 key for the answer."""
        return self._derive(b"teetee/answer/v1" + context.digest() + request_id.to_bytes(32))

    def commitment_salt(self, context: RequestContext, hop: int) -> bytes:
        """32 bytes that keep one hop's commitments from being guessed."""
        return self._derive(b"teetee/commitment/v1" + context.digest() + hop.to_bytes(4))

    def seed(self, context: RequestContext) -> int:
        """The 53-bit sampling seed for requests without one."""
        return int.from_bytes(self._derive(b"teetee/seed/v1" + context.digest())[:8]) >> (
            64 - SEED_BITS
        )

    def stream_proof(self, context: RequestContext, request_id: RequestId) -> bytes:
        """32 bytes that prove to an enclave that the caller knows the secret."""
        mac = HMAC(self._derive(b"teetee/stream/v1" + context.digest()), SHA256())
        mac.update(request_id.to_bytes(32))
        return mac.finalize()

    def _derive(self, info: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self.value)

# SPDX-License-Identifier: Apache-2.0
"""Requests with good defaults for the tests of what is sealed and signed."""

from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.prompt import Message, Prompt, Sampling
from teetee.protocol.request_secret import RequestContext, RequestSecret
from teetee.protocol.sealing.key import SealingPrivateKey, SealingPublicKey

ESCROW = "0x" + "11" * 20
REQUESTER = "0x" + "22" * 20
ENTRY = ShardId(3)
REQUEST = RequestId(77)
CANARY = "canary-8f1c"


def context(**changes: object) -> RequestContext:
    """The context of an envelope."""
    values: dict[str, object] = {
        "chain_id": 8453,
        "escrow": ESCROW,
        "requester": REQUESTER,
        "model_id": ModelId(1),
        "client_nonce": bytes(range(32)),
    }
    return RequestContext(**(values | changes))  # type: ignore[arg-type]


def secret(fill: int = 7) -> RequestSecret:
    """A fixed one."""
    return RequestSecret(bytes([fill]) * 32)


def prompt(content: str = CANARY) -> Prompt:
    """A short prompt."""
    return Prompt((Message("user", content),), Sampling(max_tokens=16))


def kem(fill: int = 1) -> SealingPrivateKey:
    """An enclave's fixed key."""
    return SealingPrivateKey.from_seed(bytes([fill]) * 32)


def public(key: SealingPrivateKey) -> SealingPublicKey:
    """Its public half."""
    return key.public_key

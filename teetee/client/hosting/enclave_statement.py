# SPDX-License-Identifier: Apache-2.0
"""`teetee-enrol/1`: what an enclave says of itself when its host is about to enrol it, and whether
to believe it.

The enclave is not authenticated by the connection: its quote is the proof. Here everything is
compared that needs no certificate: identity, signature, report data. The certificates and Intel's
verdict are `quote_check`'s business.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teetee.client import pinned_tls
from teetee.client.errors import EnclaveRefused, EnclaveUnreachable, StatementRefused
from teetee.errors import FieldInvalid, SignatureInvalid
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.json import frames as json_frames
from teetee.protocol.json.strict import malformed_frame, require_bytes
from teetee.protocol.keyset import EnclaveIdentity, enrolment_digest
from teetee.protocol.signatures import CompactSignature

PURPOSE = "teetee-enrol/1"
CONNECT_SECONDS = 10.0
# A quote takes some seconds on real hardware.
REPLY_SECONDS = 60.0
READ_BYTES = 65_536


@dataclass(frozen=True)
class StatementRequest:
    """What an enrolment is asked for: a recent block, where the shard will be found, who gets its
    earnings.
    """

    block_number: int
    block_hash: bytes
    endpoint: str
    payout: str


@dataclass(frozen=True)
class EnclaveStatement:
    """The reply: identity, the guest agent's quote with certificates, the signer's signature."""

    identity: EnclaveIdentity
    quote: bytes
    signature: CompactSignature


def fetch_statement(listening_at: Endpoint, request: StatementRequest) -> EnclaveStatement:
    """Ask for a quote.

    Errors: `EnclaveUnreachable`, `EnclaveRefused` (retryable); `WrongPeerPurpose`,
    `MalformedFrame`, `StatementRefused`.
    """
    connection = pinned_tls.connect(
        listening_at, purpose=PURPOSE, tls=None, timeout=CONNECT_SECONDS
    )
    with connection:
        reply = _exchange(connection, listening_at, request)
        held = pinned_tls.key_hash(connection)
    if isinstance(code := reply.get("error"), str):
        raise EnclaveRefused(str(listening_at), code[:64])
    statement = _parse(reply)
    if statement.identity.keyset.tls != held:
        raise StatementRefused("it names another TLS key than the one it holds")
    return statement


def check_statement(
    statement: EnclaveStatement,
    request: StatementRequest,
    *,
    chain_id: int,
    registry: str,
    host: str,
    slice_digest: bytes,
) -> None:
    """Whether it is about this chain, registry and host, the published weights, and signed by its
    signer.

    Raises `StatementRefused` with the first difference.
    """
    identity = statement.identity
    for what, said, expected in (
        ("chain", identity.chain_id, chain_id),
        ("registry", identity.registry, registry),
        ("host", identity.host, host),
        ("slice digest", "0x" + identity.slice_digest.hex(), "0x" + slice_digest.hex()),
    ):
        if said != expected:
            raise StatementRefused(f"it was started for {what} {said}, and {expected} is meant")
    digest = enrolment_digest(
        chain_id=chain_id,
        registry=registry,
        identity_digest=identity.identity_digest(),
        endpoint=request.endpoint,
        payout=request.payout,
        block_number=request.block_number,
    )
    try:
        signer = statement.signature.recover(digest)
    except SignatureInvalid as error:
        raise StatementRefused(str(error)) from None
    if signer != identity.keyset.signer:
        raise StatementRefused("its signature is not its signer's")


def _exchange(
    connection: ssl.SSLSocket, listening_at: Endpoint, request: StatementRequest
) -> dict[str, Any]:
    message = {
        "blockNumber": request.block_number,
        "blockHash": "0x" + request.block_hash.hex(),
        "endpoint": request.endpoint,
        "payout": request.payout,
    }
    decoder = json_frames.FrameDecoder()
    try:
        connection.settimeout(REPLY_SECONDS)
        connection.sendall(json_frames.encode(message))
        while data := connection.recv(READ_BYTES):
            for message in decoder.feed(data):
                return message
    except OSError as error:
        raise EnclaveUnreachable(str(listening_at), str(error)) from error
    raise EnclaveUnreachable(str(listening_at), "it closed the connection without a reply")


def _parse(reply: Mapping[str, Any]) -> EnclaveStatement:
    """Raises `MalformedFrame`, `StatementRefused`."""
    quote = require_bytes(reply.get("quote"), "quote", malformed_frame)
    signature = require_bytes(reply.get("signature"), "signature", malformed_frame)
    try:
        return EnclaveStatement(
            EnclaveIdentity.from_json(reply), quote, CompactSignature.from_bytes(signature)
        )
    except (FieldInvalid, SignatureInvalid) as error:
        raise StatementRefused(str(error)) from None

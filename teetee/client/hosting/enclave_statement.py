# SPDX-License-Identifier: Apache-2.0
"""`teetee-enrol/1`: asks an enclave for the statement that its host enrols it with, and checks what
needs no certificate: identity, signature, TLS key.

The connection does not authenticate the enclave: its quote does. `enclave_check` checks the quote.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from eth_account.signers.local import LocalAccount

from teetee.client import pinned_tls
from teetee.client.errors import EnclaveRefused, EnclaveUnreachable, StatementRefused
from teetee.errors import FieldInvalid, SignatureInvalid
from teetee.protocol.endpoint import ENROL_ALPN, Endpoint
from teetee.protocol.json import frames as json_frames
from teetee.protocol.json.strict import malformed_frame, require_bytes
from teetee.protocol.keyset import EnclaveIdentity, enrolment_digest, quote_request_digest
from teetee.protocol.signatures import CompactSignature, sign_digest

CONNECT_SECONDS = 10.0
# On real hardware, a quote takes some seconds.
REPLY_SECONDS = 60.0
READ_BYTES = 65_536


@dataclass(frozen=True)
class StatementRequest:
    """What a statement is bound to: a recent block, the public endpoint, the payout address. With
    the host's signature, the enclave does not count the request among those of strangers.
    """

    block_number: int
    block_hash: bytes
    endpoint: str
    payout: str
    host_signature: CompactSignature | None = None

    def signed(self, host: LocalAccount, *, chain_id: int, registry: str) -> StatementRequest:
        """Return a copy with the signature of the host's wallet."""
        digest = quote_request_digest(
            chain_id=chain_id,
            registry=registry,
            block_number=self.block_number,
            block_hash=self.block_hash,
            endpoint=self.endpoint,
            payout=self.payout,
        )
        return replace(self, host_signature=sign_digest(host, digest))


@dataclass(frozen=True)
class EnclaveStatement:
    """The reply: identity, quote with certificates, and the signer's signature."""

    identity: EnclaveIdentity
    quote: bytes
    signature: CompactSignature


def fetch_statement(listening_at: Endpoint, request: StatementRequest) -> EnclaveStatement:
    """Ask the enclave for a statement with a fresh quote.

    Errors: `EnclaveUnreachable`, `EnclaveRefused` (retryable); `WrongPeerPurpose`,
    `MalformedFrame`, `StatementRefused`.
    """
    connection = pinned_tls.connect(
        listening_at, purpose=ENROL_ALPN, tls=None, timeout=CONNECT_SECONDS
    )
    with connection:
        reply = _exchange(connection, listening_at, request)
        tls = pinned_tls.key_hash(connection)
    if isinstance(code := reply.get("error"), str):
        raise EnclaveRefused(str(listening_at), code[:64])
    statement = _parse(reply)
    if statement.identity.keyset.tls != tls:
        raise StatementRefused("it names a TLS key other than that of the connection")
    return statement


def check_statement(
    statement: EnclaveStatement,
    request: StatementRequest,
    *,
    chain_id: int,
    registry: str,
    host: str | None,
    slice_digest: bytes,
) -> None:
    """Check that the statement names this chain, registry and host (None: any) and the published
    weights, and that its own signer has signed it.

    Raises `StatementRefused` with the first difference.
    """
    identity = statement.identity
    for what, found, expected in (
        ("chain", identity.chain_id, chain_id),
        ("registry", identity.registry, registry),
        ("host", identity.host, host or identity.host),
        ("slice digest", "0x" + identity.slice_digest.hex(), "0x" + slice_digest.hex()),
    ):
        if found != expected:
            raise StatementRefused(f"it was started for {what} {found}, not for {expected}")
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
        raise StatementRefused("it is not signed by its own signer key")


def _exchange(
    connection: ssl.SSLSocket, listening_at: Endpoint, request: StatementRequest
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "blockNumber": request.block_number,
        "blockHash": "0x" + request.block_hash.hex(),
        "endpoint": request.endpoint,
        "payout": request.payout,
    }
    if request.host_signature is not None:
        message["hostSignature"] = "0x" + request.host_signature.to_bytes().hex()
    decoder = json_frames.FrameDecoder()
    try:
        connection.settimeout(REPLY_SECONDS)
        connection.sendall(json_frames.encode(message))
        while data := connection.recv(READ_BYTES):
            for message in decoder.feed(data):
                return message
    except OSError as error:
        raise EnclaveUnreachable(str(listening_at), pinned_tls.reason_of(error)) from error
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

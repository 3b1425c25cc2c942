# SPDX-License-Identifier: Apache-2.0
"""`teetee-enrol/1`: a fresh quote for the host's enrolment or renewal (docs/protocol.md sections 3
and 7), attached as `ENROL_ALPN` by oracle/process/server.py.

The quote names the configured host, the signature names endpoint and payout, and only the host can
use either: other clients can only cost time. A request that the host's wallet has signed is counted
apart from theirs, so that they cannot delay a renewal.
"""

import threading
from collections import OrderedDict
from typing import Any, Protocol

from eth_utils.address import is_address, to_checksum_address
from structlog.typing import FilteringBoundLogger

from oracle.endpoints.messages import MessageStream, receive_json, send_json
from oracle.endpoints.rate_limits import RateLimit
from teetee.enclave.guest_agent import GuestAgent
from teetee.enclave.keys import EnclaveKeys
from teetee.errors import MalformedFrame, SignatureInvalid, TeeTeeError
from teetee.protocol.json.strict import malformed_frame, require_bytes
from teetee.protocol.keyset import (
    EnclaveIdentity,
    enrolment_digest,
    quote_request_digest,
    report_data,
)
from teetee.protocol.signatures import CompactSignature, sign_digest

MAX_REQUEST_BYTES = 2048
MAX_ENDPOINT_CHARACTERS = 256
REQUEST_TIMEOUT_SECONDS = 3.0
TIMEOUT_SECONDS = 10.0
MAX_USED = 256


class EnrolRefusal(Exception):
    """A refusal; the client receives its `code`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class BlockHashes(Protocol):
    """The enclave's own view of the chain."""

    def block_hash(self, number: int) -> bytes | None:
        """32 bytes, or None when the node has no such block. Raises `Retryable` when the node does
        not answer.
        """


class EnrolEndpoint:
    """Each call of `serve` answers one client."""

    def __init__(
        self,
        *,
        identity: EnclaveIdentity,
        keys: EnclaveKeys,
        guest: GuestAgent,
        blocks: BlockHashes,
        rate: RateLimit,
        host_rate: RateLimit,
        log: FilteringBoundLogger,
    ) -> None:
        """`host_rate`: of requests that the host has signed; `rate`: of all others."""
        self._identity = identity
        self._keys = keys
        self._guest = guest
        self._blocks = blocks
        self._rate = rate
        self._host_rate = host_rate
        self._log = log
        self._used: OrderedDict[bytes, None] = OrderedDict()
        """Digests of requests that the host has signed: each counts as the host's once."""
        self._lock = threading.Lock()

    def serve(self, stream: MessageStream) -> None:
        """One request, one reply. Raises `LinkClosed`."""
        # A client that only looks whether the enclave answers sends no request, and costs no quote.
        request = receive_json(stream, limit=MAX_REQUEST_BYTES, seconds=REQUEST_TIMEOUT_SECONDS)
        try:
            reply = self._reply(request)
        except EnrolRefusal as refusal:
            reply = {"error": refusal.code}
        except TeeTeeError as error:
            self._log.error("no quote is available", error=error)
            reply = {"error": "unavailable"}
        send_json(stream, reply, seconds=TIMEOUT_SECONDS)

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        number, block_hash, endpoint, payout = terms = _read(request)
        is_by_host = self._is_by_host(request.get("hostSignature"), terms)
        if not (self._host_rate if is_by_host else self._rate).try_acquire():
            raise EnrolRefusal("busy")
        # The host must not choose the hash: a quote for a block that this enclave has not seen
        # proves no time.
        if self._blocks.block_hash(number) != block_hash:
            raise EnrolRefusal("unknown block")
        identity = self._identity
        digest = identity.identity_digest()
        quote = self._guest.get_quote(report_data(digest, number, block_hash))
        signature = sign_digest(
            self._keys.signer,
            enrolment_digest(
                chain_id=identity.chain_id,
                registry=identity.registry,
                identity_digest=digest,
                endpoint=endpoint,
                payout=payout,
                block_number=number,
            ),
        )
        self._log.info("quote issued", block=number)
        return identity.to_json() | {
            "quote": "0x" + quote.hex(),
            "signature": "0x" + signature.to_bytes().hex(),
        }

    def _is_by_host(self, signature: object, terms: tuple[int, bytes, str, str]) -> bool:
        """Whether the host's wallet has signed these terms, for the first time."""
        if not isinstance(signature, str):
            return False
        number, block_hash, endpoint, payout = terms
        digest = quote_request_digest(
            chain_id=self._identity.chain_id,
            registry=self._identity.registry,
            block_number=number,
            block_hash=block_hash,
            endpoint=endpoint,
            payout=payout,
        )
        try:
            signed = CompactSignature.from_bytes(bytes.fromhex(signature.removeprefix("0x")))
            if signed.recover(digest) != self._identity.host:
                return False
        except (ValueError, SignatureInvalid):
            return False
        with self._lock:
            is_new = digest not in self._used
            self._used[digest] = None
            if len(self._used) > MAX_USED:
                self._used.popitem(last=False)
        return is_new


def _read(request: dict[str, Any]) -> tuple[int, bytes, str, str]:
    number = request.get("blockNumber")
    endpoint, payout = request.get("endpoint"), request.get("payout")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 64:
        raise EnrolRefusal("malformed blockNumber")
    try:
        block_hash = require_bytes(request.get("blockHash"), "blockHash", malformed_frame, size=32)
    except MalformedFrame:
        raise EnrolRefusal("malformed blockHash") from None
    if not isinstance(endpoint, str) or not endpoint.isprintable():
        raise EnrolRefusal("malformed endpoint")
    if not 0 < len(endpoint) <= MAX_ENDPOINT_CHARACTERS:
        raise EnrolRefusal("malformed endpoint")
    if not isinstance(payout, str) or not is_address(payout):
        raise EnrolRefusal("malformed payout")
    return number, block_hash, endpoint, to_checksum_address(payout)

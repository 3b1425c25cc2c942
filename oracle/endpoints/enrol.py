# SPDX-License-Identifier: Apache-2.0
"""`teetee-enrol/1`: a fresh quote for the host's enrolment or renewal (docs/protocol.md sections 3
and 7), attached as `ENROL_ALPN` by oracle/process/server.py.

Clients are not authenticated: the quote names the configured host, the signature names endpoint and
payout, and only the host can use either. So other clients can only cost time, and the rate limit
bounds that.
"""

from typing import Any, Protocol

from eth_utils.address import is_address, to_checksum_address
from structlog.typing import FilteringBoundLogger

from oracle.endpoints.messages import MessageStream, receive_json, send_json
from oracle.endpoints.rate_limits import RateLimit
from teetee.enclave.guest_agent import GuestAgent
from teetee.enclave.keys import EnclaveKeys
from teetee.errors import TeeTeeError
from teetee.protocol.keyset import EnclaveIdentity, enrolment_digest, report_data
from teetee.protocol.signatures import sign_digest

MAX_REQUEST_BYTES = 2048
MAX_ENDPOINT_CHARACTERS = 256
TIMEOUT_SECONDS = 10.0


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
        log: FilteringBoundLogger,
    ) -> None:
        self._identity = identity
        self._keys = keys
        self._guest = guest
        self._blocks = blocks
        self._rate = rate
        self._log = log

    def serve(self, stream: MessageStream) -> None:
        """One request, one reply. Raises `LinkClosed`."""
        # A client that only looks whether the enclave answers sends no request, and costs no quote.
        request = receive_json(stream, limit=MAX_REQUEST_BYTES, seconds=TIMEOUT_SECONDS)
        try:
            if not self._rate.try_acquire():
                raise EnrolRefusal("busy")
            reply = self._reply(request)
        except EnrolRefusal as refusal:
            reply = {"error": refusal.code}
        except TeeTeeError as error:
            self._log.error("no quote is available", error=error)
            reply = {"error": "unavailable"}
        send_json(stream, reply, seconds=TIMEOUT_SECONDS)

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        number, block_hash, endpoint, payout = _read(request)
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


def _read(request: dict[str, Any]) -> tuple[int, bytes, str, str]:
    number, block_hash = request.get("blockNumber"), request.get("blockHash")
    endpoint, payout = request.get("endpoint"), request.get("payout")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise EnrolRefusal("malformed blockNumber")
    if not isinstance(block_hash, str) or len(block_hash) != 66:
        raise EnrolRefusal("malformed blockHash")
    if not isinstance(endpoint, str) or not 0 < len(endpoint) <= MAX_ENDPOINT_CHARACTERS:
        raise EnrolRefusal("malformed endpoint")
    if not isinstance(payout, str) or not is_address(payout):
        raise EnrolRefusal("malformed payout")
    try:
        return (
            number,
            bytes.fromhex(block_hash.removeprefix("0x")),
            endpoint,
            to_checksum_address(payout),
        )
    except ValueError:
        raise EnrolRefusal("malformed blockHash") from None

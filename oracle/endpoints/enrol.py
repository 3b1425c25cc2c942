# SPDX-License-Identifier: Apache-2.0
"""`teetee-enrol/1`: a fresh quote for the host's enrolment or renewal (docs/protocol.md sections 3
and 7).

Nobody is authenticated: the quote names the host that was configured, the signature names endpoint
and payout, and only the host can use either. So strangers can merely cost time, which the rate
limit bounds.
"""

from typing import Any, Protocol

from eth_utils.address import is_address, to_checksum_address
from structlog.typing import FilteringBoundLogger

from oracle.endpoints.rate_limits import RateLimit
from oracle.endpoints.stream import Stream, receive_json, send_json
from teetee.enclave.guest_agent import GuestAgent
from teetee.enclave.keys import EnclaveKeys
from teetee.errors import TeeTeeError
from teetee.protocol.keyset import EnclaveIdentity, enrolment_digest, report_data
from teetee.protocol.signatures import sign_digest

PURPOSE = "teetee-enrol/1"
REQUEST_BYTES = 2048
ENDPOINT_CHARACTERS = 256
SECONDS = 10.0


class EnrolRefusal(Exception):
    """What the asker is told."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class BlockHashes(Protocol):
    """The enclave's own view of the chain."""

    def block_hash(self, number: int) -> bytes | None:
        """32 bytes, or None when this node knows no such block. Raises `Retryable` when it cannot
        be asked.
        """


class EnrolEndpoint:
    """Answers one asker per call of `serve`."""

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

    def serve(self, stream: Stream) -> None:
        """One request, one reply. Raises `LinkClosed`."""
        try:
            if not self._rate.admits():
                raise EnrolRefusal("busy")
            reply = self._reply(receive_json(stream, limit=REQUEST_BYTES, seconds=SECONDS))
        except EnrolRefusal as refusal:
            reply = {"error": refusal.code}
        except TeeTeeError as error:
            self._log.error("no quote could be given", error=error)
            reply = {"error": "unavailable"}
        send_json(stream, reply, seconds=SECONDS)

    def _reply(self, asked: dict[str, Any]) -> dict[str, Any]:
        number, block_hash, endpoint, payout = _read(asked)
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
        self._log.info("quote given", block=number)
        return _public(identity) | {
            "quote": "0x" + quote.hex(),
            "signature": "0x" + signature.to_bytes().hex(),
        }


def _read(asked: dict[str, Any]) -> tuple[int, bytes, str, str]:
    number, block_hash = asked.get("blockNumber"), asked.get("blockHash")
    endpoint, payout = asked.get("endpoint"), asked.get("payout")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise EnrolRefusal("malformed blockNumber")
    if not isinstance(block_hash, str) or len(block_hash) != 66:
        raise EnrolRefusal("malformed blockHash")
    if not isinstance(endpoint, str) or not 0 < len(endpoint) <= ENDPOINT_CHARACTERS:
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


def _public(identity: EnclaveIdentity) -> dict[str, Any]:
    return {
        "chainId": identity.chain_id,
        "registry": identity.registry,
        "host": identity.host,
        "modelId": identity.model_id,
        "firstLayer": identity.layers.first,
        "endLayer": identity.layers.end,
        "isEntry": identity.is_entry,
        "sliceDigest": "0x" + identity.slice_digest.hex(),
        "signer": identity.keyset.signer,
        "kem": "0x" + identity.keyset.kem.hex(),
        "tls": "0x" + identity.keyset.tls.hex(),
    }

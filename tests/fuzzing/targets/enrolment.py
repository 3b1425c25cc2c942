# SPDX-License-Identifier: Apache-2.0
"""`teetee-enrol/1`, both sides.

The first byte of an input says who reads the rest: an enclave (one body from a stranger), or a
host's wallet (a frame from an enclave that nothing authenticates yet).
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount

from oracle.endpoints.enrol import EnrolEndpoint
from oracle.endpoints.rate_limits import RateLimit
from teetee.client.errors import EnclaveRefused, EnclaveUnreachable, StatementRefused
from teetee.client.hosting.enclave_statement import (
    EnclaveStatement,
    StatementRequest,
    check_statement,
    fetch_statement,
)
from teetee.errors import MalformedFrame
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ModelId
from teetee.protocol.json import frames as json_frames
from teetee.protocol.keyset import EnclaveIdentity
from teetee.protocol.layers import LayerRange
from tests.fuzzing.connections import ServedBody, enclave_sends
from tests.fuzzing.target import Target
from tests.teetee.enclave_keys import keys_of

ENCLAVE, WALLET = b"Ew"
"""The first byte."""

HOST: LocalAccount = Account.from_key(b"w" * 32)
CHAIN_ID, REGISTRY = 31337, "0x" + "5" * 40
LISTENS_AT = Endpoint("shard.invalid", 7443)
REQUEST = StatementRequest(5, b"h" * 32, str(LISTENS_AT), "0x" + "9" * 40)
SLICE = b"s" * 32


class _Guest:
    """Gives quotes that begin with their report data."""

    def get_quote(self, report_data: bytes) -> bytes:
        return report_data + b"rest of the quote"


class _Blocks:
    """Knows one block."""

    def block_hash(self, number: int) -> bytes | None:
        return REQUEST.block_hash if number == REQUEST.block_number else None


class _Log:
    """The guest agent never fails here, so that no body may make the endpoint log an error."""

    def info(self, *_: object, **__: object) -> None:
        """Expected."""

    def error(self, event: str, **facts: object) -> None:
        raise AssertionError(f"{event}: {facts}")


def _endpoint() -> tuple[EnrolEndpoint, EnclaveIdentity]:
    keys = keys_of("enclave")
    identity = EnclaveIdentity(
        CHAIN_ID, REGISTRY, HOST.address, ModelId(1), LayerRange(0, 4), True, SLICE, keys.keyset
    )
    rates = (RateLimit(per_second=1.0, burst=1 << 52, clock=lambda: 0.0) for _ in range(2))
    rate, host_rate = rates
    endpoint = EnrolEndpoint(
        identity=identity,
        keys=keys,
        guest=cast(Any, _Guest()),
        blocks=_Blocks(),
        rate=rate,
        host_rate=host_rate,
        log=cast(Any, _Log()),
    )
    return endpoint, identity


_ENDPOINT, _IDENTITY = _endpoint()


def run(data: bytes) -> None:
    """An enclave replies to every body, and a wallet can read the reply."""
    if data[:1] != bytes([ENCLAVE]):
        _check(_fetch(data[1:]))
        return
    served = ServedBody(data[1:])
    _ENDPOINT.serve(served)
    (reply,) = served.replies
    statement = _fetch(len(reply).to_bytes(4) + reply)
    assert statement.identity == _IDENTITY


def seeds() -> Mapping[str, bytes]:
    """What both sides really send."""
    request = {
        "blockNumber": REQUEST.block_number,
        "blockHash": "0x" + REQUEST.block_hash.hex(),
        "endpoint": REQUEST.endpoint,
        "payout": REQUEST.payout,
    }
    signature = REQUEST.signed(HOST, chain_id=CHAIN_ID, registry=REGISTRY).host_signature
    assert signature is not None
    signed = request | {"hostSignature": "0x" + signature.to_bytes().hex()}
    served = ServedBody(json.dumps(request).encode())
    _ENDPOINT.serve(served)
    return {
        "request": bytes([ENCLAVE]) + json.dumps(request).encode(),
        "signed-request": bytes([ENCLAVE]) + json.dumps(signed).encode(),
        "statement": bytes([WALLET]) + json_frames.encode(json.loads(served.replies[0])),
    }


def _fetch(data: bytes) -> EnclaveStatement:
    with enclave_sends(data, _IDENTITY.keyset.tls):
        return fetch_statement(LISTENS_AT, REQUEST)


def _check(statement: EnclaveStatement) -> None:
    identity = statement.identity
    assert EnclaveIdentity.from_json(identity.to_json()) == identity
    check_statement(
        statement, REQUEST, chain_id=CHAIN_ID, registry=REGISTRY, host=None, slice_digest=SLICE
    )


TARGET = Target(
    name="enrolment",
    summary="teetee-enrol/1: oracle/endpoints/enrol.py, teetee/client/hosting",
    run=run,
    errors=(EnclaveRefused, EnclaveUnreachable, MalformedFrame, StatementRefused),
    seeds=seeds,
    words=(
        *(f'"{name}":'.encode() for name in _IDENTITY.to_json()),
        *(b'"blockNumber":', b'"blockHash":', b'"endpoint":', b'"payout":', b'"hostSignature":'),
        *(b'"quote":', b'"signature":', b'"error":', b"true", b"null", b"\\ud800", b"1e999", b"0x"),
    ),
)

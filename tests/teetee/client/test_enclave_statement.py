# SPDX-License-Identifier: Apache-2.0
"""An enclave's statement, and which ones are refused.

given a true statement
    when it is about another chain, registry, host or weights
        it should be refused with both values
    when it is signed by another key, or for another endpoint or payout
        it should be refused
given a reply that is an error, incomplete, of other kinds, or names another TLS key
    when the enclave is asked
        it should raise the error of that kind
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from teetee.client.errors import EnclaveRefused, EnclaveUnreachable, StatementRefused
from teetee.client.hosting.enclave_statement import (
    EnclaveStatement,
    StatementRequest,
    check_statement,
    fetch_statement,
)
from teetee.errors import MalformedFrame
from teetee.protocol.endpoint import ENROL_ALPN, Endpoint
from teetee.protocol.identifiers import ModelId
from teetee.protocol.keyset import EnclaveIdentity, enrolment_digest
from teetee.protocol.layers import LayerRange
from teetee.protocol.signatures import sign_digest
from tests.teetee.client.entry_server import EntryServer, enclave_keys, says
from tests.teetee.client.evidence_factory import address, word
from tests.teetee.client_hello import server_name_sent

KEYS = enclave_keys(1)
REGISTRY = address(99)
IDENTITY = EnclaveIdentity(
    chain_id=84532,
    registry=REGISTRY,
    host=address(7),
    model_id=ModelId(1),
    layers=LayerRange(0, 4),
    is_entry=True,
    slice_digest=word("slice"),
    keyset=KEYS.keyset,
)
STATEMENT_REQUEST = StatementRequest(100, word("block"), "enclave.example:7443", address(8))


def signature(occasion: StatementRequest, signer: Any = KEYS.signer) -> Any:
    digest = enrolment_digest(
        chain_id=IDENTITY.chain_id,
        registry=IDENTITY.registry,
        identity_digest=IDENTITY.identity_digest(),
        endpoint=occasion.endpoint,
        payout=occasion.payout,
        block_number=occasion.block_number,
    )
    return sign_digest(signer, digest)


def check(statement: EnclaveStatement, **changes: Any) -> None:
    expected: dict[str, Any] = {
        "chain_id": 84532,
        "registry": REGISTRY,
        "host": address(7),
        "slice_digest": word("slice"),
    }
    check_statement(statement, STATEMENT_REQUEST, **(expected | changes))


TRUE = EnclaveStatement(IDENTITY, b"quote", signature(STATEMENT_REQUEST))


def test_check_statement__true__passes() -> None:
    check(TRUE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chain_id": 8453}, "chain 84532, not for 8453"),
        ({"registry": address(1)}, f"registry {REGISTRY}"),
        ({"host": address(1)}, f"host {address(7)}, not for {address(1)}"),
        ({"slice_digest": word("other")}, "slice digest"),
    ],
    ids=["chain", "registry", "host", "weights"],
)
def test_check_statement__about_something_else__says_both(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(StatementRefused, match=words):
        check(TRUE, **changes)


@pytest.mark.parametrize(
    "signed",
    [
        signature(STATEMENT_REQUEST, Account.from_key(word("stranger"))),
        signature(replace(STATEMENT_REQUEST, endpoint="elsewhere.example:7443")),
        signature(replace(STATEMENT_REQUEST, payout=address(9))),
        signature(replace(STATEMENT_REQUEST, block_number=99)),
    ],
    ids=["stranger", "other endpoint", "other payout", "other block"],
)
def test_check_statement__not_signed_for_this__is_refused(signed: Any) -> None:
    with pytest.raises(StatementRefused, match="not signed by its own signer"):
        check(replace(TRUE, signature=signed))


def reply(**changes: Any) -> dict[str, Any]:
    return {
        "chainId": 84532,
        "registry": REGISTRY,
        "host": address(7),
        "modelId": 1,
        "firstLayer": 0,
        "endLayer": 4,
        "isEntry": True,
        "sliceDigest": "0x" + word("slice").hex(),
        "signer": KEYS.keyset.signer,
        "kem": "0x" + KEYS.keyset.kem.hex(),
        "tls": "0x" + KEYS.keyset.tls.hex(),
        "quote": "0x" + b"quote".hex(),
        "signature": "0x" + signature(STATEMENT_REQUEST).to_bytes().hex(),
    } | changes


def test_fetch_statement__true_reply__gives_the_statement() -> None:
    with EntryServer(KEYS, ENROL_ALPN, says(reply())) as server:
        statement = fetch_statement(Endpoint.parse(server.endpoint), STATEMENT_REQUEST)
    assert statement == TRUE
    assert server.received == [
        {
            "blockNumber": 100,
            "blockHash": "0x" + word("block").hex(),
            "endpoint": "enclave.example:7443",
            "payout": address(8),
        }
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"error": "busy"}, EnclaveRefused),
        ({}, MalformedFrame),
        (reply(chainId="84532"), MalformedFrame),
        (reply(kem="0xzz"), MalformedFrame),
        (reply(firstLayer=4), StatementRefused),
        (reply(signer="0x1234"), StatementRefused),
        (reply(signature="0x1234"), StatementRefused),
        (reply(tls="0x" + word("other").hex()), StatementRefused),
    ],
    ids=[
        *("error", "empty", "number as text", "no hex"),
        *("empty range", "no address", "short signature", "other TLS key"),
    ],
)
def test_fetch_statement__other_reply__raises_its_error(
    answer: dict[str, Any], error: type[Exception]
) -> None:
    with EntryServer(KEYS, ENROL_ALPN, says(answer)) as server, pytest.raises(error):
        fetch_statement(Endpoint.parse(server.endpoint), STATEMENT_REQUEST)


def test_fetch_statement__closes_without_a_word__may_pass() -> None:
    with EntryServer(KEYS, ENROL_ALPN, says()) as server, pytest.raises(EnclaveUnreachable):
        fetch_statement(Endpoint.parse(server.endpoint), STATEMENT_REQUEST)


@pytest.mark.parametrize(("host", "sent"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_fetch_statement__enclave_is_behind_a_gateway__names_it_by_sni(
    host: str, sent: str | None
) -> None:
    def connect(port: int) -> None:
        fetch_statement(Endpoint(host, port), STATEMENT_REQUEST)

    assert server_name_sent(connect) == sent

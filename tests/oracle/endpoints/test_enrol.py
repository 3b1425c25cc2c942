# SPDX-License-Identifier: Apache-2.0
"""`teetee-enrol/1`.

given a block that this enclave's own node knows by that hash
    it should answer with a quote over its identity and that block, and its signature
given another hash, an unknown block, a malformed question, or too many of them
    it should refuse without asking for a quote
given a client that asks nothing
    it should spend no quote on it
given a guest agent that fails
    it should answer unavailable and go on
"""

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from oracle.endpoints.enrol import EnrolEndpoint
from oracle.endpoints.rate_limits import RateLimit
from oracle.process.logs import open_log
from shard_runtime.errors import LinkClosed
from teetee.errors import GuestAgentUnreachable
from teetee.protocol.identifiers import ModelId
from teetee.protocol.keyset import (
    EnclaveIdentity,
    enrolment_digest,
    quote_request_digest,
    report_data,
)
from teetee.protocol.layers import LayerRange
from teetee.protocol.signatures import CompactSignature, sign_digest
from tests.oracle.fake_chain import CHAIN_ID
from tests.oracle.fake_stream import FakeStream
from tests.teetee.enclave_keys import keys_of

HOST_WALLET: LocalAccount = Account.from_key(b"w" * 32)
STRANGER: LocalAccount = Account.from_key(b"s" * 32)
HOST = str(HOST_WALLET.address)
REGISTRY = "0x0000000000000000000000000000000000005678"
PAYOUT = "0x0000000000000000000000000000000000009999"
HASH = b"h" * 32
QUESTION = {
    "blockNumber": 5,
    "blockHash": "0x" + HASH.hex(),
    "endpoint": "shard.invalid:7443",
    "payout": PAYOUT,
}


class FakeGuest:
    """Gives quotes that begin with their report data."""

    def __init__(self) -> None:
        self.quotes = 0
        self.is_gone = False

    def get_quote(self, report_data: bytes) -> bytes:
        if self.is_gone:
            raise GuestAgentUnreachable("/var/run/dstack.sock", "is not there")
        self.quotes += 1
        return report_data + b"rest of the quote"


class FakeBlocks:
    """Knows one block."""

    def block_hash(self, number: int) -> bytes | None:
        return HASH if number == 5 else None


@pytest.fixture
def guest() -> FakeGuest:
    return FakeGuest()


@pytest.fixture
def identity() -> EnclaveIdentity:
    return EnclaveIdentity(
        chain_id=CHAIN_ID,
        registry=REGISTRY,
        host=HOST,
        model_id=ModelId(1),
        layers=LayerRange(0, 4),
        is_entry=True,
        slice_digest=b"s" * 32,
        keyset=keys_of("entry").keyset,
    )


def endpoint(guest: FakeGuest, identity: EnclaveIdentity, burst: int = 10) -> EnrolEndpoint:
    return EnrolEndpoint(
        identity=identity,
        keys=keys_of("entry"),
        guest=guest,
        blocks=FakeBlocks(),
        rate=RateLimit(per_second=1e-9, burst=burst, clock=lambda: 0.0),
        host_rate=RateLimit(per_second=1e-9, burst=burst, clock=lambda: 0.0),
        log=open_log(),
    )


def ask(served: EnrolEndpoint, question: object) -> dict[str, object]:
    stream = FakeStream()
    stream.ask(question)
    served.serve(stream)
    (reply,) = stream.messages()
    assert isinstance(reply, dict)
    return reply


def test_serve__block_is_known__gives_quote_and_signature(
    guest: FakeGuest, identity: EnclaveIdentity
) -> None:
    reply = ask(endpoint(guest, identity), QUESTION)
    quote, signature = reply.pop("quote"), reply.pop("signature")
    keyset = identity.keyset
    assert reply == {
        "chainId": CHAIN_ID,
        "registry": REGISTRY,
        "host": HOST,
        "modelId": 1,
        "firstLayer": 0,
        "endLayer": 4,
        "isEntry": True,
        "sliceDigest": "0x" + "73" * 32,
        "signer": keyset.signer,
        "kem": "0x" + keyset.kem.hex(),
        "tls": "0x" + keyset.tls.hex(),
    }
    digest = identity.identity_digest()
    assert isinstance(quote, str)
    assert quote == "0x" + (report_data(digest, 5, HASH) + b"rest of the quote").hex()
    assert isinstance(signature, str)
    signed = enrolment_digest(
        chain_id=CHAIN_ID,
        registry=REGISTRY,
        identity_digest=digest,
        endpoint="shard.invalid:7443",
        payout=PAYOUT,
        block_number=5,
    )
    found = CompactSignature.from_bytes(bytes.fromhex(signature[2:])).recover(signed)
    assert found == keyset.signer


@pytest.mark.parametrize(
    ("question", "code"),
    [
        pytest.param({**QUESTION, "blockHash": "0x" + "00" * 32}, "unknown block", id="hash"),
        pytest.param({**QUESTION, "blockNumber": 6}, "unknown block", id="number"),
        pytest.param({**QUESTION, "blockNumber": -1}, "malformed blockNumber", id="negative"),
        pytest.param({**QUESTION, "blockNumber": True}, "malformed blockNumber", id="truth value"),
        pytest.param({**QUESTION, "blockHash": "0x12"}, "malformed blockHash", id="short hash"),
        pytest.param(
            {**QUESTION, "blockHash": "0x" + "12 " * 21 + " ", "hostSignature": "0x"},
            "malformed blockHash",
            id="hash with spaces, signed",
        ),
        pytest.param({**QUESTION, "blockHash": "z" * 66}, "malformed blockHash", id="no hex"),
        pytest.param({**QUESTION, "endpoint": ""}, "malformed endpoint", id="no endpoint"),
        pytest.param({**QUESTION, "endpoint": "e" * 257}, "malformed endpoint", id="long endpoint"),
        pytest.param({**QUESTION, "payout": "0x12"}, "malformed payout", id="no address"),
        pytest.param(b"nonsense", "malformed blockNumber", id="no JSON"),
        pytest.param(b" " * 3_000, "malformed blockNumber", id="too long"),
    ],
)
def test_serve__question_is_not_right__refuses_without_a_quote(
    guest: FakeGuest, identity: EnclaveIdentity, question: object, code: str
) -> None:
    assert ask(endpoint(guest, identity), question) == {"error": code}
    assert guest.quotes == 0


def test_serve__too_many_questions__is_busy(guest: FakeGuest, identity: EnclaveIdentity) -> None:
    served = endpoint(guest, identity, burst=1)
    assert "quote" in ask(served, QUESTION)
    assert ask(served, QUESTION) == {"error": "busy"}
    assert guest.quotes == 1


def signed(question: dict[str, object], account: LocalAccount = HOST_WALLET) -> dict[str, object]:
    digest = quote_request_digest(
        chain_id=CHAIN_ID,
        registry=REGISTRY,
        block_number=5,
        block_hash=HASH,
        endpoint=str(question["endpoint"]),
        payout=PAYOUT,
    )
    return {**question, "hostSignature": "0x" + sign_digest(account, digest).to_bytes().hex()}


def test_m1__strangers_use_up_their_rate__host_still_gets_its_quote(
    guest: FakeGuest, identity: EnclaveIdentity
) -> None:
    served = endpoint(guest, identity, burst=1)
    replies = [ask(served, QUESTION) for _ in range(5)]
    assert [reply.get("error") for reply in replies] == [None, *["busy"] * 4]
    assert "quote" in ask(served, signed(QUESTION))
    assert guest.quotes == 2


def test_m1__junk__uses_up_no_rate(guest: FakeGuest, identity: EnclaveIdentity) -> None:
    served = endpoint(guest, identity, burst=1)
    for _ in range(20):
        assert ask(served, {}) == {"error": "malformed blockNumber"}
    assert "quote" in ask(served, QUESTION)


def test_m1__signed_request_is_repeated__counts_as_a_strangers(
    guest: FakeGuest, identity: EnclaveIdentity
) -> None:
    served = endpoint(guest, identity, burst=1)
    assert "quote" in ask(served, signed(QUESTION))
    assert "quote" in ask(served, signed(QUESTION))
    assert ask(served, signed(QUESTION)) == {"error": "busy"}
    assert ask(served, signed({**QUESTION, "endpoint": "other.invalid:1"})) == {"error": "busy"}


@pytest.mark.parametrize(
    "signature",
    [
        signed(QUESTION, STRANGER)["hostSignature"],
        signed({**QUESTION, "endpoint": "other.invalid:1"})["hostSignature"],
        "0x",
        "zz",
        7,
        "0x" + "ff" * 64,
    ],
    ids=["another wallet", "another endpoint", "empty", "no hex", "no text", "no signature"],
)
def test_m1__signature_is_not_the_hosts__counts_as_a_strangers(
    guest: FakeGuest, identity: EnclaveIdentity, signature: object
) -> None:
    served = endpoint(guest, identity, burst=1)
    question = {**QUESTION, "hostSignature": signature}
    assert "quote" in ask(served, question)
    assert ask(served, question) == {"error": "busy"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"blockNumber": 10**300}, "malformed blockNumber"),
        ({"blockNumber": 1 << 64}, "malformed blockNumber"),
        ({"endpoint": "\ud800"}, "malformed blockNumber"),  # no JSON: it has no field
    ],
    ids=["block 10^300", "block 2^64", "lone surrogate"],
)
def test_l3__number_or_text_that_nothing_can_encode__is_malformed(
    guest: FakeGuest, identity: EnclaveIdentity, changes: dict[str, object], code: str
) -> None:
    assert ask(endpoint(guest, identity), QUESTION | changes) == {"error": code}
    assert guest.quotes == 0


def test_serve__client_asks_nothing__costs_no_quote(
    guest: FakeGuest, identity: EnclaveIdentity
) -> None:
    served, probe = endpoint(guest, identity, burst=1), FakeStream()
    probe.leave()
    with pytest.raises(LinkClosed):
        served.serve(probe)
    assert "quote" in ask(served, QUESTION)


def test_serve__guest_agent_is_gone__says_unavailable_and_goes_on(
    guest: FakeGuest, identity: EnclaveIdentity
) -> None:
    served = endpoint(guest, identity)
    guest.is_gone = True
    assert ask(served, QUESTION) == {"error": "unavailable"}
    guest.is_gone = False
    assert "quote" in ask(served, QUESTION)

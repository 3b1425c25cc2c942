# SPDX-License-Identifier: Apache-2.0
"""Failures around an honest entry, in a running world.

given a request in progress
    when the node of the enclaves is down for a while
        it should be answered once the node is up again
    when the entry has no ETH for gas
        it should be answered once it has some
given a stage at whose endpoint an enclave with another key listens
    when a question is asked
        it should be declined as NO_PATH, and refunded
        the next one should be answered once the stage is reachable again
given a stranger with an own key
    when it connects as an enclave
        it should be refused before a frame is read
given an enrolled enclave's quote with one byte changed
    when its host renews with it
        the contracts should refuse it
"""

import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from demo.local_chain import ETHER
from demo.processes.ports import LOOPBACK
from demo.world import World
from teetee.chain.contract_errors import ContractRejected
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.requests import DeclineReason, RequestDeclined
from teetee.client.hosting.hosting import Hosting
from teetee.client.requests.await_answer import Answered, Unanswered
from teetee.client.requests.request_spec import RequestSpec
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ShardId
from tests.system.relay import Relays
from tests.system.requester import Requester

pytestmark = pytest.mark.system

SPEC = RequestSpec("Name three colors.", max_tokens=4)
IN_REPORT = 600
"""An offset within the signed part of a quote; its report data starts at 568."""


def test_ask__node_of_the_enclaves_is_down__is_answered_when_it_is_up_again(
    world: World, requester: Requester, relays: Relays
) -> None:
    entry, rpc = world.enclave("entry"), relays.before(world.chain.port)
    since = entry.line_count
    rpc.shut()
    try:
        opened = requester.open(SPEC, "entry")
        failed = entry.await_event("task failed", since=since)
    finally:
        rpc.restore()
    assert failed["error"] == "RpcUnavailable"
    outcome = requester.wait(opened)
    assert isinstance(outcome, Answered)
    requester.client.forget(opened)


def test_ask__entry_has_no_ether__is_answered_when_it_has_some(
    world: World, requester: Requester
) -> None:
    entry = world.enclave("entry")
    since = entry.line_count
    world.chain.set_ether(entry.signer, 0)
    try:
        opened = requester.open(SPEC, "entry")
        event = entry.await_event("request cannot be ended yet", since=since)
    finally:
        world.chain.set_ether(entry.signer, ETHER)
    assert event["error"] == "EtherIsShort"
    assert entry.signer in event["detail"]
    outcome = requester.wait(opened)
    assert isinstance(outcome, Answered)
    requester.client.forget(opened)


def test_ask__stage_is_impersonated_by_another_key__is_declined_and_the_next_one_answered(
    world: World, requester: Requester, relays: Relays
) -> None:
    middle, last = world.enclave("middle"), world.enclave("last")
    relay = relays.before(middle.port)
    relay.redirect(last.port)
    try:
        opened = requester.open(replace(SPEC, deadline_seconds=16), "entry")
        outcome = requester.wait(opened)
    finally:
        relay.redirect(middle.port)
    assert isinstance(outcome, Unanswered)
    assert isinstance(outcome.ended, RequestDeclined)
    assert outcome.ended.reason in (DeclineReason.NO_PATH, DeclineReason.OVERLOADED)
    assert outcome.ended.refund == outcome.request.deposit
    requester.client.forget(opened)

    retry = requester.open(replace(SPEC, deadline_seconds=60), "entry")
    assert isinstance(requester.wait(retry), Answered)
    requester.client.forget(retry)


def test_link__stranger_with_an_own_key__is_refused(world: World, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["teetee-link/1"])
    context.load_cert_chain(_strangers_certificate(tmp_path))
    for enclave in world.enclaves:
        assert _is_refused(context, enclave.port)
        assert enclave.is_running


def test_renew__one_byte_of_the_quote_is_changed__is_refused(
    world: World, requester: Requester
) -> None:
    contracts, enclave = requester.contracts, world.enclave("last")
    sender = TransactionSender(contracts.connection, enclave.host.account)
    hosting = Hosting(contracts, enclave.host.account, sender, quotes=None, notify=lambda _: None)
    verified = hosting.verify_enclave(
        Endpoint(LOOPBACK, enclave.port), enclave.endpoint, enclave.host.address
    )
    core = bytearray(verified.quote.core)

    def renewal() -> None:
        call = contracts.registry.renew(
            ShardId(enclave.shard_id),
            verified.statement.identity.keyset,
            endpoint=enclave.endpoint,
            block_number=verified.request.block_number,
            quote=bytes(core),
            pck_id=verified.pck_id,
        )
        contracts.connection.simulate(call, enclave.host.address)

    renewal()
    core[IN_REPORT] ^= 1
    with pytest.raises(ContractRejected) as refused:
        renewal()
    assert refused.value.name == "QuoteSignatureInvalid"


def _is_refused(context: ssl.SSLContext, port: int) -> bool:
    """Whether no byte is returned: in TLS 1.3 the client finishes its handshake before the server
    checks its certificate.
    """
    with socket.create_connection((LOOPBACK, port), timeout=20) as plain:
        try:
            with context.wrap_socket(plain) as link:
                link.sendall((4).to_bytes(4) + b"oops")
                return link.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            return True


def _strangers_certificate(folder: Path) -> Path:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TeeTee enclave")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, algorithm=None)
    )
    path = folder / "stranger.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path

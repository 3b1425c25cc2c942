# SPDX-License-Identifier: Apache-2.0
"""What can go wrong around an honest entry while it works, in a running world.

given a request under way
    when the node of the enclaves is down for a while
        it should be answered once the node is back
    when the entry has no ETH for gas
        it should be answered once it has some
given a stage whose place on the network is taken by an enclave with another key
    when a question is asked
        it should be declined as NO_PATH, with everything back
        and the next one be answered when the stage is found again
given a stranger with a key of his own
    when he connects as an enclave
        it should be turned away before a frame is read
given an enrolled enclave's quote with one byte changed
    when its host renews with it
        it should be refused by the contracts
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
from tests.system.asking import Asking
from tests.system.relay import Relays

pytestmark = pytest.mark.system

SPEC = RequestSpec("Name three colors.", max_tokens=4)
IN_REPORT = 600
"""An offset within the signed part of a quote: its report data begin at 568."""


def test_ask__node_of_the_enclaves_is_down__is_answered_when_it_is_back(
    world: World, asking: Asking, relays: Relays
) -> None:
    entry, rpc = world.enclave("entry"), relays.before(world.chain.port)
    since = entry.said
    rpc.go_down()
    try:
        opened = asking.open(SPEC, "entry")
        failed = entry.await_event("task failed", since=since)
    finally:
        rpc.come_back()
    assert failed["error"] == "RpcUnavailable"
    outcome = asking.wait(opened)
    assert isinstance(outcome, Answered)
    asking.client.forget(opened)


def test_ask__entry_has_no_ether__is_answered_when_it_has_some(
    world: World, asking: Asking
) -> None:
    entry = world.enclave("entry")
    since = entry.said
    world.chain.set_ether(entry.signer, 0)
    try:
        opened = asking.open(SPEC, "entry")
        said = entry.await_event("request cannot be ended yet", since=since)
    finally:
        world.chain.set_ether(entry.signer, ETHER)
    assert said["error"] == "EtherIsShort"
    assert entry.signer in said["detail"]
    outcome = asking.wait(opened)
    assert isinstance(outcome, Answered)
    asking.client.forget(opened)


def test_ask__stage_is_impersonated_by_another_key__is_declined_and_the_next_one_answered(
    world: World, asking: Asking, relays: Relays
) -> None:
    middle, last = world.enclave("middle"), world.enclave("last")
    relay = relays.before(middle.port)
    relay.redirect(last.port)
    try:
        opened = asking.open(replace(SPEC, deadline_seconds=20), "entry")
        outcome = asking.wait(opened)
    finally:
        relay.redirect(middle.port)
    assert isinstance(outcome, Unanswered)
    assert isinstance(outcome.ended, RequestDeclined)
    assert outcome.ended.reason in (DeclineReason.NO_PATH, DeclineReason.OVERLOADED)
    assert outcome.ended.refund == outcome.request.deposit
    asking.client.forget(opened)

    again = asking.open(replace(SPEC, deadline_seconds=60), "entry")
    assert isinstance(asking.wait(again), Answered)
    asking.client.forget(again)


def test_link__stranger_with_a_key_of_his_own__is_turned_away(world: World, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["teetee-link/1"])
    context.load_cert_chain(_strangers_certificate(tmp_path))
    for enclave in world.enclaves:
        assert _is_turned_away(context, enclave.port)
        assert enclave.is_running


def test_renew__one_byte_of_the_quote_is_changed__is_refused(world: World, asking: Asking) -> None:
    contracts, enclave = asking.contracts, world.enclave("last")
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


def _is_turned_away(context: ssl.SSLContext, port: int) -> bool:
    """In TLS 1.3 the client is done before the server has seen its certificate: what counts is
    whether anything comes back.
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

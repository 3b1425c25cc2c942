# SPDX-License-Identifier: Apache-2.0
"""dstack's own client, synchronous and asynchronous, on the simulator's socket.

given a running guest agent
    when dstack-sdk asks for keys, quotes, information, TLS keys, signatures
        it should get the responses of dstack's agent
    when a call is malformed or not simulated
        it should answer 400 or 404 with an error, and stay up
"""

import asyncio
import hashlib
import socket as sockets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dstack_sdk import AsyncDstackClient, DstackClient
from eth_hash.auto import keccak
from eth_keys import KeyAPI

from tee_simulator import SIMULATED, SimulatedEnclave
from tee_simulator.guest.guest_agent import GuestAgent
from tee_simulator.http_server import HttpServer
from teetee.quotes.quote import Quote


@pytest.fixture
def socket(tmp_path: Path, enclave: SimulatedEnclave) -> Iterator[str]:
    path = tmp_path / "agent.sock"
    with HttpServer.on_socket(path, GuestAgent(enclave)):
        yield str(path)


@pytest.fixture
def client(socket: str) -> DstackClient:
    """Not as a context: dstack-sdk 0.5.4 hands out its asynchronous client from `with`."""
    return DstackClient(socket)


def recovered(signature: bytes, message: bytes) -> bytes:
    """The compressed public key which signed keccak256(message)."""
    signer = KeyAPI().Signature(signature).recover_public_key_from_msg_hash(keccak(message))
    compressed: bytes = signer.to_compressed_bytes()
    return compressed


def test_get_key__same_path__same_key_whatever_the_purpose(client: DstackClient) -> None:
    key = client.get_key("teetee/v1/signer/secp256k1", "a").decode_key()
    assert len(key) == 32
    assert client.get_key("teetee/v1/signer/secp256k1", "b").decode_key() == key
    assert client.get_key("teetee/v1/kem/x25519").decode_key() != key


def test_get_key__signature_chain__leads_to_the_kms(
    client: DstackClient, enclave: SimulatedEnclave
) -> None:
    """As dstack documents: the app's key signs `purpose:public key`, the KMS's the app's key."""
    answer = client.get_key("path", "receipts")
    public = KeyAPI().PrivateKey(answer.decode_key()).public_key.to_compressed_bytes()
    leaf, above = answer.decode_signature_chain()
    app = recovered(leaf, f"receipts:{public.hex()}".encode())
    kms = recovered(above, b"dstack-kms-issued:" + enclave.app_id + app)
    assert kms == KeyAPI().PrivateKey(enclave.kms_key).public_key.to_compressed_bytes()


def test_get_key__ed25519__signs_the_ed25519_public_key(client: DstackClient) -> None:
    answer = client.get_key("path", "tls", algorithm="ed25519")
    private = Ed25519PrivateKey.from_private_bytes(answer.decode_key())
    public = private.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    assert answer.decode_key() == client.get_key("path").decode_key()
    app = recovered(answer.decode_signature_chain()[0], f"tls:{public.hex()}".encode())
    other = client.get_key("path", "x")
    secp = KeyAPI().PrivateKey(other.decode_key()).public_key.to_compressed_bytes()
    assert app == recovered(other.decode_signature_chain()[0], f"x:{secp.hex()}".encode())


def test_get_quote__short_report_data__is_padded(client: DstackClient) -> None:
    answer = client.get_quote(b"short")
    report = Quote.parse(answer.decode_quote()).report
    assert report.report_data == b"short".ljust(64, b"\x00")
    assert bytes.fromhex(answer.report_data) == report.report_data
    assert not answer.quote.startswith("0x")


def test_get_quote__registers_replayed_by_the_sdk__equal_the_quotes(client: DstackClient) -> None:
    answer = client.get_quote(b"r" * 64)
    rtmrs = Quote.parse(answer.decode_quote()).report.rtmrs
    assert answer.replay_rtmrs() == {n: rtmr.hex() for n, rtmr in enumerate(rtmrs)}


def test_info__as_the_sdk_reads_it__fits_the_quote_and_says_simulated(client: DstackClient) -> None:
    info = client.info()
    report = Quote.parse(client.get_quote(b"r" * 64).decode_quote()).report
    assert info.tcb_info.mrtd == report.mr_td.hex()
    assert info.tcb_info.rtmr3 == report.rtmrs[3].hex()
    assert hashlib.sha256(info.tcb_info.app_compose.encode()).hexdigest() == info.compose_hash
    assert info.compose_hash == report.mr_config_id[1:33].hex()
    assert info.cloud_vendor == SIMULATED
    assert SIMULATED in info.vm_config


@pytest.mark.parametrize("algorithm", ["ed25519", "secp256k1", "secp256k1_prehashed"])
def test_sign__each_algorithm__verifies(client: DstackClient, algorithm: str) -> None:
    data = hashlib.sha256(b"data").digest()
    answer = client.sign(algorithm, data)
    signature, public = answer.decode_signature(), answer.decode_public_key()
    assert answer.decode_signature_chain()[0] == signature
    assert client.verify(algorithm, data, signature, public).valid
    assert not client.verify(algorithm, data[::-1], signature, public).valid


def test_get_tls_key__for_a_name__chain_verifies(client: DstackClient) -> None:
    answer = client.get_tls_key("entry", alt_names=["localhost"], usage_client_auth=True)
    leaf, authority = (
        x509.load_pem_x509_certificate(part.encode()) for part in answer.certificate_chain
    )
    leaf.verify_directly_issued_by(authority)
    authority.verify_directly_issued_by(authority)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    private = serialization.load_pem_private_key(answer.key.encode(), None)
    assert private.public_key() == leaf.public_key()


def test_get_tls_key__for_a_time__has_it(client: DstackClient) -> None:
    answer = client.get_tls_key("entry", not_before=1_767_225_600, not_after=1_798_761_600)
    leaf = x509.load_pem_x509_certificate(answer.certificate_chain[0].encode())
    assert leaf.not_valid_before_utc.timestamp() == 1_767_225_600
    assert leaf.not_valid_after_utc.timestamp() == 1_798_761_600


def test_async_client__keys_and_quotes__as_the_synchronous_one(
    client: DstackClient, socket: str
) -> None:
    async def ask() -> tuple[str, str]:
        async with AsyncDstackClient(socket) as asynchronous:
            key, quote = await asyncio.gather(
                asynchronous.get_key("path"), asynchronous.get_quote(b"r" * 64)
            )
            return key.key, quote.quote

    assert asyncio.run(ask()) == (client.get_key("path").key, client.get_quote(b"r" * 64).quote)


def test_get_tls_key__with_a_quote_inside__is_rejected(client: DstackClient) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        client.get_tls_key("entry", usage_ra_tls=True)


@pytest.mark.parametrize(
    ("call", "body", "status", "error"),
    [
        pytest.param("GetKey", b"{", 400, "the body must be JSON", id="not JSON"),
        pytest.param("GetKey", b"[]", 400, "the body must be a JSON object", id="a list"),
        pytest.param("GetKey", b'{"path": 1}', 400, "path must be a string", id="path a number"),
        pytest.param(
            "GetKey", b'{"algorithm": "rsa"}', 400, "Unsupported algorithm", id="other algorithm"
        ),
        pytest.param(
            "GetQuote", b'{"report_data": "0x00"}', 400, "report_data must be hex", id="0x"
        ),
        pytest.param(
            "GetQuote",
            b'{"report_data": "' + b"00" * 65 + b'"}',
            400,
            "Report data is too long",
            id="65 bytes",
        ),
        pytest.param(
            "Sign",
            b'{"algorithm": "secp256k1_prehashed", "data": "00"}',
            400,
            "Pre-hashed signing requires a 32-byte digest, but received 1 bytes",
            id="no digest",
        ),
        pytest.param(
            "Verify",
            b'{"algorithm": "ed25519", "public_key": "00"}',
            400,
            "invalid public key",
            id="no key",
        ),
        pytest.param(
            "EmitEvent", b"{}", 400, "EmitEvent is not simulated: dstack removed it", id="removed"
        ),
        pytest.param(
            "Attest", b"{}", 400, "Attest is not simulated: use GetQuote", id="not simulated"
        ),
        pytest.param("Unknown", b"{}", 404, "Service not found: Unknown", id="unknown call"),
    ],
)
def test_call__wrong__answered_with_an_error(
    socket: str, call: str, body: bytes, status: int, error: str
) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=socket)) as http:
        answer = http.post(f"http://agent/{call}", content=body)
        assert (answer.status_code, answer.json()) == (status, {"error": error})
        assert http.post("http://agent/Version", json={}).status_code == 200


def test_call__larger_than_a_megabyte__is_rejected_unread(socket: str) -> None:
    with sockets.socket(sockets.AF_UNIX) as raw:
        raw.connect(socket)
        raw.sendall(b"POST /GetKey HTTP/1.1\r\nHost: agent\r\nContent-Length: 2097152\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")

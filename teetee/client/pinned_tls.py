# SPDX-License-Identifier: Apache-2.0
"""A TLS 1.3 connection to one enclave, known by the hash of its key and by nothing else
(docs/protocol.md, section 7).

No certificate authority takes part: the registry says which key an attested enclave holds. TLS 1.3
makes the server sign the handshake with the key of the certificate it shows, also under CERT_NONE;
so comparing that key's hash with the registry's `tls` is the whole of the authentication.
"""

from __future__ import annotations

import socket
import ssl

from teetee.client.errors import EnclaveUnreachable, PeerKeyMismatch, WrongPeerPurpose
from teetee.enclave.keys import certificate_fingerprint
from teetee.errors import KeyInvalid
from teetee.protocol.endpoint import Endpoint


def connect(
    endpoint: Endpoint, *, purpose: str, tls: bytes | None, timeout: float
) -> ssl.SSLSocket:
    """Connect, shake hands, compare the key.

    `purpose`: the ALPN name. `tls`: the pin (32 bytes), or None where the peer proves itself by
    what it says (`teetee-enrol/1`). `timeout`: seconds for each step. Nothing is sent before the
    pin was compared. Errors: `EnclaveUnreachable` (retryable), `PeerKeyMismatch`,
    `WrongPeerPurpose`.
    """
    connection = _handshake(endpoint, purpose, timeout)
    try:
        if connection.selected_alpn_protocol() != purpose:
            raise WrongPeerPurpose(str(endpoint), purpose, connection.selected_alpn_protocol())
        found = key_hash(connection)
        if tls is not None and found != tls:
            raise PeerKeyMismatch(str(endpoint), expected=tls, found=found)
    except BaseException:
        connection.close()
        raise
    return connection


def key_hash(connection: ssl.SSLSocket) -> bytes:
    """What the registry would call this peer's `tls`; empty if it shows no key of that kind."""
    try:
        return certificate_fingerprint(connection.getpeercert(binary_form=True) or b"")
    except KeyInvalid:
        return b""  # equals no pin


def _handshake(endpoint: Endpoint, purpose: str, timeout: float) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([purpose])
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=timeout)
    except OSError as error:
        raise EnclaveUnreachable(str(endpoint), str(error)) from error
    try:
        return context.wrap_socket(plain)
    except (OSError, ValueError) as error:
        plain.close()
        raise EnclaveUnreachable(str(endpoint), str(error)) from error

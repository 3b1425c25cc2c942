# SPDX-License-Identifier: Apache-2.0
"""A TLS 1.3 connection to an enclave, authenticated only by the hash of its key
(docs/protocol.md, section 7).

There is no certificate authority: the registry names the key of an attested enclave. In TLS 1.3 the
server signs the handshake with its certificate's key, also under CERT_NONE, so comparing the key's
hash with the registry's `tls` authenticates the enclave.
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
    """Connect, and compare the peer's key before anything is sent.

    `purpose`: the ALPN name. `tls`: the pinned hash (32 bytes), or None if the reply authenticates
    the peer (`teetee-enrol/1`). `timeout`: seconds for each step. Errors: `EnclaveUnreachable`
    (retryable), `PeerKeyMismatch`, `WrongPeerPurpose`.
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
    """The peer's key as the registry's `tls` names it; empty if it is of another kind."""
    try:
        return certificate_fingerprint(connection.getpeercert(binary_form=True) or b"")
    except KeyInvalid:
        return b""  # matches no pinned hash


def reason_of(error: Exception) -> str:
    """The system's words, without its number."""
    return getattr(error, "strerror", None) or str(error)


def _handshake(endpoint: Endpoint, purpose: str, timeout: float) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([purpose])
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=timeout)
    except OSError as error:
        raise EnclaveUnreachable(str(endpoint), reason_of(error)) from error
    try:
        return context.wrap_socket(plain, server_hostname=endpoint.server_name)
    except (OSError, ValueError) as error:
        plain.close()
        raise EnclaveUnreachable(str(endpoint), reason_of(error)) from error

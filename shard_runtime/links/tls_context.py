# SPDX-License-Identifier: Apache-2.0
"""TLS 1.3 between keys that are pinned, not certified: no authority, no session resumption, no
older version.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from OpenSSL import SSL
from OpenSSL.crypto import X509

from shard_runtime.links.identity import LinkIdentity
from teetee.enclave.keys import certificate_fingerprint
from teetee.errors import KeyInvalid
from teetee.protocol.endpoint import LINK_ALPN

Accepts = Callable[[bytes], bool]
"""(tls) → whether a peer with that key may connect."""


def server_context(
    identity: LinkIdentity, purposes: Callable[[], frozenset[str]], accepts: Accepts
) -> SSL.Context:
    """For a listener: the ALPN chooses the purpose, and `teetee-link/1` requires an accepted
    certificate. A client that offers no known purpose is refused.
    """
    context = _context(identity)

    def choose(connection: SSL.Connection, offered: list[bytes]) -> bytes:
        known = purposes()
        for name in offered:
            if name.decode("ascii", "replace") in known:
                if name == LINK_ALPN.encode():
                    _require_certificate(connection, accepts)
                return name
        raise SSL.Error("no common purpose")

    context.set_alpn_select_callback(choose)
    return context


def client_context(identity: LinkIdentity, expected: bytes) -> SSL.Context:
    """For connecting to the one peer whose `tls` is `expected`."""
    context = _context(identity)
    context.set_alpn_protos([LINK_ALPN.encode()])
    context.set_verify(SSL.VERIFY_PEER, _verifier(lambda tls: tls == expected))
    return context


def peer_tls(connection: SSL.Connection) -> bytes | None:
    """The `tls` of the certificate whose key the peer has proven to own; None without one."""
    certificate = connection.get_peer_certificate()
    return None if certificate is None else _fingerprint(certificate)


def _context(identity: LinkIdentity) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)
    context.use_certificate(load_der_x509_certificate(identity.certificate_der))
    context.use_privatekey(identity.private_key)
    context.check_privatekey()
    return context


def _require_certificate(connection: SSL.Connection, accepts: Accepts) -> None:
    mode = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    connection.set_verify(mode, _verifier(accepts))


def _verifier(accepts: Accepts) -> Callable[[SSL.Connection, X509, int, int, int], bool]:
    """Checks the pin alone, whatever OpenSSL says of the certificate (self-signed, perhaps
    expired). The handshake itself proves that the peer owns the certificate's key.
    """

    def verify(_: SSL.Connection, certificate: X509, _error: int, depth: int, _ok: int) -> bool:
        tls = _fingerprint(certificate)
        return depth == 0 and tls is not None and accepts(tls)

    return verify


def _fingerprint(certificate: X509) -> bytes | None:
    try:
        return certificate_fingerprint(certificate.to_cryptography().public_bytes(Encoding.DER))
    except (KeyInvalid, ValueError):
        return None

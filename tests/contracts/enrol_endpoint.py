# SPDX-License-Identifier: Apache-2.0
"""`teetee-enrol/1` on loopback: a simulated enclave answers its host."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from teetee.client.hosting.enclave_statement import PURPOSE
from teetee.enclave.keys import EnclaveKeys
from teetee.protocol.json import frames as json_frames

SECONDS = 20.0
Answer = Callable[[dict[str, Any]], dict[str, Any]]


@contextmanager
def enrol_endpoint(keys: EnclaveKeys, folder: Path, answer: Answer) -> Iterator[str]:
    """Serves one asker; `host:port`."""
    context = _context(keys, folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        server = Thread(target=_serve, args=(listener, context, answer), daemon=True)
        server.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        server.join(SECONDS)


def _context(keys: EnclaveKeys, folder: Path) -> ssl.SSLContext:
    certificate, key = folder / "tls.pem", folder / "tls.key"
    certificate.write_bytes(keys.tls_certificate_pem)
    key.write_bytes(keys.tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([PURPOSE])
    context.load_cert_chain(certificate, key)
    return context


def _serve(listener: socket.socket, context: ssl.SSLContext, answer: Answer) -> None:
    plain, _ = listener.accept()
    plain.settimeout(SECONDS)
    with context.wrap_socket(plain, server_side=True) as connection:
        decoder = json_frames.FrameDecoder()
        while data := connection.recv(65_536):
            for question in decoder.feed(data):
                connection.sendall(json_frames.encode(answer(question)))
                return

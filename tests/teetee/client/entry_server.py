# SPDX-License-Identifier: Apache-2.0
"""A small TLS server with an enclave's certificate: what the wallet's connections meet in tests.

What it is asked is kept in `received`; what it answers is the script's business. Loopback only.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from teetee.enclave.keys import EnclaveKeys
from teetee.protocol.json.frames import FrameDecoder, encode
from tests.teetee.enclave_keys import keys_of

Send = Callable[[bytes], None]
Script = Callable[[dict[str, Any], Send], None]


def enclave_keys(seed: int = 1) -> EnclaveKeys:
    return keys_of(f"enclave {seed}")


class EntryServer:
    """Use as a context manager; `endpoint` is where it listens."""

    def __init__(
        self,
        keys: EnclaveKeys,
        purpose: str,
        script: Script,
        more: Mapping[str, Script] | None = None,
    ) -> None:
        self.received: list[dict[str, Any]] = []
        self._scripts = {purpose: script, **(more or {})}
        self._context = _server_context(keys, list(self._scripts))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> EntryServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(plain,), daemon=True).start()

    def _handle(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                self._answer(connection)
        except (OSError, ssl.SSLError):
            return

    def _answer(self, connection: ssl.SSLSocket) -> None:
        decoder = FrameDecoder()
        while data := connection.recv(65_536):
            for message in decoder.feed(data):
                self.received.append(message)
                script = self._scripts[connection.selected_alpn_protocol() or ""]
                script(message, connection.sendall)
                return


def says(*messages: dict[str, Any]) -> Script:
    """Answer with these frames, in one go, then close."""
    return lambda _, send: send(b"".join(encode(message) for message in messages))


def _server_context(keys: EnclaveKeys, purposes: list[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(purposes)
    key = keys.tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "identity.pem")
        certificate = ssl.DER_cert_to_PEM_cert(keys.tls_certificate_der)
        path.write_bytes(key + certificate.encode())
        context.load_cert_chain(path)
    return context

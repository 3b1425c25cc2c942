# SPDX-License-Identifier: Apache-2.0
"""What a gateway before an enclave reads of a TLS connection: the server name."""

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable

SECONDS = 10.0


def server_name_sent(connect: Callable[[int], object]) -> str | None:
    """The SNI of the connection that `connect` makes to a port on loopback; None without one."""
    names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: names.put(name)

    def gateway() -> None:
        connection, _ = listener.accept()
        # It has no certificate: the handshake ends after the first message, which is enough.
        with connection, contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        thread = threading.Thread(target=gateway)
        thread.start()
        with contextlib.suppress(Exception):
            connect(listener.getsockname()[1])
        name = names.get(timeout=SECONDS)
        thread.join(SECONDS)
    return name

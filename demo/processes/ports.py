# SPDX-License-Identifier: Apache-2.0
"""Free ports on loopback, outside the kernel's range for outgoing connections: within it, a port
found free could be in use a moment later.
"""

from __future__ import annotations

import random
import socket

from demo.errors import PortInUse, ToolMissing

LOOPBACK = "127.0.0.1"
FIRST, END = 15_000, 32_000
TRIES = 200


def free_port() -> int:
    """A port without a listener. It is not reserved."""
    chance = random.SystemRandom()
    for _ in range(TRIES):
        port = chance.randrange(FIRST, END)
        if _is_free(port):
            return port
    raise ToolMissing(
        f"No free port on {LOOPBACK} among {TRIES} of {FIRST} to {END}", "Stop other programs."
    )


def claimed_port(wanted: int | None) -> int:
    """`wanted` if it is free; any free port for None. Raises `PortInUse`."""
    if wanted is None:
        return free_port()
    if not _is_free(wanted):
        raise PortInUse(wanted)
    return wanted


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True

# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM end the phase at work; what stops the processes is not interrupted again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from demo.errors import Interrupted
from demo.processes.process_group import HANDLED


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, the first signal raises `Interrupted` in the main thread; later ones do nothing, also
    while the block is left. The former handlers come back after it.
    """
    before = {number: signal.signal(number, _interrupt) for number in HANDLED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    for handled in HANDLED:
        signal.signal(handled, signal.SIG_IGN)
    raise Interrupted(number)

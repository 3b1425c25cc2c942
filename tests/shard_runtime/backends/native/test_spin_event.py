# SPDX-License-Identifier: Apache-2.0
"""Waiting without going to sleep.

given a bell that somebody watches
    when it is rung, or was since who watches looked
        they should go on
    when it is not rung
        they should go on after the time that they gave
    when somebody else works on their core
        they should give the core up, long before that
    when there is no native library
        they should not wait at all
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shard_runtime.backends.native.errors import NativeUnavailable
from shard_runtime.backends.native.shared_library import Library
from shard_runtime.backends.native.spin_event import Bell

LONG = 1000.0
"""Seconds: longer than a test may take."""


def test_watch__rung_meanwhile__goes_on() -> None:
    bell = Bell()
    seen = bell.rung
    threading.Timer(0.05, bell.ring).start()
    while bell.rung == seen:  # others may want the core
        bell.watch(seen, LONG)


def test_watch__rung_before__goes_on() -> None:
    bell = Bell()
    seen = bell.rung
    bell.ring()
    bell.watch(seen, LONG)


def test_watch__not_rung__goes_on_after_its_time() -> None:
    bell = Bell()
    bell.watch(bell.rung, 0.001)
    assert bell.rung == 0


@contextmanager
def pinned(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no thread")
def test_watch__somebody_else_works_on_the_core__gives_it_up() -> None:
    core = min(os.sched_getaffinity(0))
    ended, began = threading.Event(), threading.Event()

    def work() -> None:
        with pinned(core):
            began.set()
            while not ended.is_set():
                hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)  # without the interpreter's lock

    worker = threading.Thread(target=work)
    bell = Bell()
    waiting = threading.Thread(target=lambda: bell.watch(bell.rung, LONG))
    worker.start()
    assert began.wait(LONG)
    with pinned(core):
        waiting.start()  # where who starts it is pinned, it is
    waiting.join(LONG / 10)
    gave_up = not waiting.is_alive()
    bell.ring()
    ended.set()
    worker.join()
    waiting.join()
    assert gave_up


def test_watch__no_native_library__does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable() -> Library:
        raise NativeUnavailable("there is none")

    monkeypatch.setattr("shard_runtime.backends.native.spin_event.load_library", unavailable)
    bell = Bell()
    bell.watch(bell.rung, LONG)

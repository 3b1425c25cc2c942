# SPDX-License-Identifier: Apache-2.0
"""Waiting without going to sleep.

given a thread that waits for an event
    when the event is set, or was set since its generation was read
        the wait should end
    when the event is not set
        the wait should end after its time
    when another thread needs the core
        the wait should end, long before that
    when there is no native library
        it should not wait at all
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shard_runtime.backends.native.errors import NativeUnavailable
from shard_runtime.backends.native.shared_library import Library
from shard_runtime.backends.native.spin_event import SpinEvent

LONG = 1000.0
"""Seconds: longer than a test may take."""


def test_wait__set_meanwhile__ends() -> None:
    event = SpinEvent()
    generation = event.generation
    threading.Timer(0.05, event.set).start()
    while event.generation == generation:  # other threads may need the core
        event.wait(generation, LONG)


def test_wait__set_before__ends() -> None:
    event = SpinEvent()
    generation = event.generation
    event.set()
    event.wait(generation, LONG)


def test_wait__not_set__ends_after_its_time() -> None:
    event = SpinEvent()
    event.wait(event.generation, 0.001)
    assert event.generation == 0


@contextmanager
def pinned(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no thread")
def test_wait__another_thread_needs_the_core__gives_it_up() -> None:
    core = min(os.sched_getaffinity(0))
    ended, began = threading.Event(), threading.Event()

    def work() -> None:
        with pinned(core):
            began.set()
            while not ended.is_set():
                hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)  # without the interpreter's lock

    worker = threading.Thread(target=work)
    event = SpinEvent()
    waiting = threading.Thread(target=lambda: event.wait(event.generation, LONG))
    worker.start()
    assert began.wait(LONG)
    with pinned(core):
        waiting.start()  # a thread inherits the pinning of the one that starts it
    waiting.join(LONG / 10)
    gave_up = not waiting.is_alive()
    event.set()
    ended.set()
    worker.join()
    waiting.join()
    assert gave_up


def test_wait__no_native_library__does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable() -> Library:
        raise NativeUnavailable("there is none")

    monkeypatch.setattr("shard_runtime.backends.native.spin_event.load_library", unavailable)
    event = SpinEvent()
    event.wait(event.generation, LONG)

# SPDX-License-Identifier: Apache-2.0
"""Faults for a stage, injected when a given position is on its way to it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from shard_runtime.links.frames import Alive, Heartbeat, Hidden, Load, decode
from shard_runtime.links.memory_links import MemoryNetwork
from teetee.protocol.identifiers import ShardId
from tests.shard_runtime.rings import Ring


class Striking(Protocol):
    """A fault for one of a ring's shards."""

    ring: Ring | None

    @property
    def victim(self) -> ShardId:
        """The shard."""


class Fault:
    """Strikes once, just before the frame with `position` reaches the victim."""

    def __init__(self, victim: int, position: int, strike: Callable[[Ring, int], None]) -> None:
        self.victim = ShardId(victim)
        self.ring: Ring | None = None
        self.struck = threading.Event()
        self._position = position
        self._strike = strike

    def __call__(self, receiver: ShardId, body: bytes) -> bytes:
        if receiver == self.victim and not self.struck.is_set() and self._is_there(body):
            self.struck.set()
            assert self.ring is not None
            self._strike(self.ring, self.victim)
        return body

    def _is_there(self, body: bytes) -> bool:
        frame = decode(body)
        return isinstance(frame, Hidden) and any(
            0 <= self._position - segment.place.first_position < segment.rows
            for segment in frame.segments
        )


class CountedHeartbeats:
    """Counts the heartbeats to a fault's victim from the strike until `stop`."""

    def __init__(self, fault: Fault) -> None:
        self.sent = 0
        self.load = Load()
        """What the victim reported last."""
        self._fault = fault
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def __call__(self, receiver: ShardId, body: bytes) -> bytes:
        body = self._fault(receiver, body)
        if self._fault.struck.is_set() and not self._stopped.is_set():
            frame = decode(body)
            self.sent += receiver == self._fault.victim and isinstance(frame, Heartbeat)
            if isinstance(frame, Alive) and frame.shard_id == self._fault.victim:
                self.load = frame.load
        return body


def kill(ring: Ring, victim: int) -> None:
    network(ring).kill(ring.tls(victim))


def freeze(ring: Ring, victim: int) -> None:
    network(ring).freeze(ring.tls(victim))


def evict(ring: Ring, victim: int) -> None:
    ring.directory.remove(ShardId(victim))


def cut(ring: Ring, victim: int) -> None:
    """The previous stage loses its link to the victim, which stays alive."""
    before = ring.choose(frozenset())[ring.path.index(ShardId(victim)) - 1]
    network(ring).cut(ring.tls(before), ring.tls(victim))


def hang(ring: Ring, victim: int) -> None:
    """Its computing thread blocks; its links work."""
    shard = ring.shards[victim - 1]

    def wait(*_: Any) -> torch.Tensor:
        released(ring).wait()
        raise RuntimeError("it hung")

    shard.forward = wait  # type: ignore[method-assign]


STRIKES = {"killed": kill, "frozen": freeze, "evicted": evict, "cut off": cut, "hanging": hang}

_RELEASES: dict[int, threading.Event] = {}


def released(ring: Ring) -> threading.Event:
    return _RELEASES.setdefault(id(ring), threading.Event())


@contextmanager
def recovering(ring: Ring, fault: Striking) -> Iterator[None]:
    """At the end of the block, resume what is blocked, so that tests can see it clean up."""
    fault.ring = ring
    try:
        yield
    finally:
        released(ring).set()
        network(ring).thaw(ring.tls(fault.victim))


def network(ring: Ring) -> MemoryNetwork:
    assert ring.network is not None
    return ring.network

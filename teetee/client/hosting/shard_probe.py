# SPDX-License-Identifier: Apache-2.0
"""Probes shards: connects to their endpoints and compares the pinned TLS key."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from teetee.chain.types.shards import Shard
from teetee.client import pinned_tls
from teetee.client.errors import EnclaveUnreachable
from teetee.errors import TeeTeeError
from teetee.protocol.endpoint import ENROL_ALPN, Endpoint

CONNECT_SECONDS = 5.0
RETRY_SECONDS = 1.0
MAX_CONNECTIONS = 16


@dataclass(frozen=True)
class Probe:
    """The outcome of one attempt to connect. `problem` is empty if it succeeded."""

    shard_id: int
    seconds: float
    """From the first packet to the end of the TLS handshake."""
    problem: str

    @property
    def is_up(self) -> bool:
        """Whether the enclave with the registered key answered."""
        return not self.problem


def probe_shards(shards: Sequence[Shard]) -> dict[int, Probe]:
    """Connect to all shards, several at a time; return the outcomes by shard id."""
    with ThreadPoolExecutor(MAX_CONNECTIONS) as pool:
        return {probe.shard_id: probe for probe in pool.map(_probe, shards)}


def await_enclave(
    endpoint: Endpoint, seconds: float, on_wait: Callable[[str], None] = lambda _: None
) -> None:
    """Wait until an enclave listens: it loads its layers first. `on_wait` gets the first problem.

    Raises `EnclaveUnreachable` after that time, and what `pinned_tls.connect` raises else.
    """
    give_up_at = time.monotonic() + seconds
    is_waiting = False
    while True:
        try:
            pinned_tls.connect(
                endpoint, purpose=ENROL_ALPN, tls=None, timeout=CONNECT_SECONDS
            ).close()
            return
        except EnclaveUnreachable as error:
            if time.monotonic() >= give_up_at:
                raise
            if not is_waiting:
                on_wait(error.reason)
            is_waiting = True
            time.sleep(min(RETRY_SECONDS, max(0.0, give_up_at - time.monotonic())))


def _probe(shard: Shard) -> Probe:
    problem, start = "", time.monotonic()
    try:
        endpoint = Endpoint.parse(shard.endpoint)
        connection = pinned_tls.connect(
            endpoint, purpose=ENROL_ALPN, tls=shard.keyset.tls, timeout=CONNECT_SECONDS
        )
        connection.close()
    except TeeTeeError as error:
        problem = str(error)
    return Probe(int(shard.shard_id), time.monotonic() - start, problem)

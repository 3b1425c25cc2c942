# SPDX-License-Identifier: Apache-2.0
"""No leaks: a thousand requests, ended in every way, leave nothing behind.

given requests that are answered, cancelled, out of time, or whose client is lost, many at once
    when all have ended
        no cache, run, row, heartbeat or count should be left anywhere
        only a bounded list of run ids should be kept
"""

import random
import threading
import time
from collections import Counter
from dataclasses import replace

from shard_runtime import ModelSource
from shard_runtime.errors import DeadlinePassed, RunCancelled
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.engine.test_run_life import eventually, is_empty
from tests.shard_runtime.rings import QUICK_ENTRY, QUICK_STAGE, Ring, running
from tests.shard_runtime.tiny_models import prompt_of

REQUESTS = 1000
CALLERS = 16
ROOM = 6 * 40 * 2 * 2 * 2 * 8 * 4
"""At the entry, for six of the longest requests: the others wait."""


class ClientLost(Exception):
    """The client disconnected."""


class Client:
    """Makes one request and ends it in one of the ways."""

    def __init__(self, ring: Ring, draw: random.Random) -> None:
        self._ring = ring
        self._draw = draw
        self._left = draw.randint(0, 6)

    def ask(self) -> str:
        ending = self._draw.choice(["answered", "cancelled", "out of time", "client lost"])
        prompt = prompt_of(self._draw.randint(1, 24), seed=self._draw.randint(0, 99))
        sampling = Sampling(max_tokens=self._draw.randint(1, 16))
        late = self._draw.random() * 0.05
        try:
            self._ring.ask(
                prompt,
                sampling=sampling,
                on_text=self._lose if ending == "client lost" else None,
                is_cancelled=self._count_down if ending == "cancelled" else None,
                deadline=time.monotonic() + (late if ending == "out of time" else 60.0),
            )
        except (RunCancelled, DeadlinePassed, ClientLost) as error:
            return type(error).__name__
        return "answered"

    def _count_down(self) -> bool:
        self._left -= 1
        return self._left < 0

    def _lose(self, _: str) -> None:
        if self._count_down():
            raise ClientLost


def test_generate__thousand_requests_ended_in_every_way__leaves_nothing(
    spoken: ModelSource,
) -> None:
    ends: Counter[str] = Counter()
    tight = replace(QUICK_ENTRY, cache_bytes=ROOM)
    roomy = replace(QUICK_STAGE, cache_bytes=1 << 24)
    with running(spoken, 3, entry_settings=tight, stage_settings=roomy) as ring:

        def call(seed: int) -> None:
            draw = random.Random(seed)
            for _ in range(REQUESTS // CALLERS + 1):
                ends[Client(ring, draw).ask()] += 1

        threads = [threading.Thread(target=call, args=(seed,)) for seed in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(ends.values()) >= REQUESTS
        assert set(ends) == {"answered", "RunCancelled", "DeadlinePassed", "ClientLost"}
        assert eventually(lambda: is_empty(ring))
        assert eventually(lambda: not any(stage.open_runs for stage in ring.stages))
        assert_nothing_left(ring)


def assert_nothing_left(ring: Ring) -> None:
    engine = ring.entry._engine
    assert ring.cache_bytes_used == [0, 0, 0]
    assert engine._scheduler.waiting == 0
    assert not engine._scheduler._decoding
    assert not engine._scheduler._in_flight
    assert not engine._scheduler._in_lane
    assert not engine._scheduler._lanes
    assert not engine._heartbeats.monitor._watched
    assert not engine._undecided
    assert not ring.entry.performance._own_runs
    assert len(ring.entry.performance._replies) <= 2
    for stage in ring.stages:
        assert stage._scheduler.waiting == 0
        assert not stage._scheduler._decoding
        assert not stage._scheduler._in_flight
        assert not stage._scheduler._lanes
        assert len(stage._runs._ended) <= 4096

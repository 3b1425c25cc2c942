# SPDX-License-Identifier: Apache-2.0
"""Stages that answer heartbeats and keep a run's rows: review finding M10.

given a stage that swallows the rows of a run, or the link before it
    the run should end within seconds, and name that stage, or the two ends of that link
given a stage whose steps take much longer than several heartbeats
    it should not be accused
"""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from shard_runtime import ModelSource
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.errors import StageSilent
from shard_runtime.links.frames import Finish, Hidden, decode
from teetee.protocol.identifiers import ShardId
from tests.shard_runtime.engine.test_run_life import eventually, is_empty
from tests.shard_runtime.rings import QUICK_ENTRY, QUICK_HEARTBEATS, running

PROMPT = tuple(b"canary, the theory of it")[:20]


class Swallowing:
    """From the moment it is armed, rows to that shard vanish; all heartbeats are answered."""

    def __init__(self, receiver: int) -> None:
        self.is_armed = False
        self._receiver = ShardId(receiver)

    def __call__(self, receiver: ShardId, body: bytes) -> bytes | None:
        is_swallowed = self.is_armed and receiver == self._receiver
        return None if is_swallowed and isinstance(decode(body), Hidden | Finish) else body


STILL = replace(QUICK_ENTRY, heartbeats=replace(QUICK_HEARTBEATS, max_still=6))


@pytest.mark.parametrize(
    ("receiver", "guilty"), [(2, {2}), (3, {2, 3}), (1, {3})], ids=["first", "middle", "last"]
)
@pytest.mark.parametrize("since", ["the beginning", "the middle"])
def test_m10__stage_answers_heartbeats_but_keeps_the_rows__is_named_within_seconds(
    spoken: ModelSource, receiver: int, guilty: set[int], since: str
) -> None:
    swallowing = Swallowing(receiver)
    swallowing.is_armed = since == "the beginning"

    def arm(_: str) -> None:
        swallowing.is_armed = True

    with running(spoken, 3, tamper=swallowing, entry_settings=STILL) as ring:
        began = time.monotonic()
        with pytest.raises(StageSilent) as raised:
            ring.ask(PROMPT, 60, on_text=arm)
        assert set(raised.value.shard_ids) == guilty
        assert time.monotonic() - began < 20  # and not the minute of `silent_seconds`
        swallowing.is_armed = False
        assert len(ring.ask(PROMPT, 8).token_ids) == 8
        assert eventually(lambda: is_empty(ring))


def test_m10__stage_is_slow__is_not_accused(llama: ModelSource) -> None:
    """A step may take much longer than several heartbeats."""
    with running(llama, 3, entry_settings=STILL) as ring:
        forward, waited = ring.shards[1].forward, threading.Event()

        def slow(*arguments: Any) -> Any:
            waited.wait(0.6)  # twelve heartbeats
            return forward(*arguments)

        ring.shards[1].forward = slow  # type: ignore[method-assign]
        assert len(ring.ask(PROMPT, 4).token_ids) == 4


def test_m10__default_times__a_stage_that_keeps_rows_costs_seconds() -> None:
    defaults = HeartbeatSettings()
    assert 2 <= defaults.max_still * defaults.interval_seconds <= 3

# SPDX-License-Identifier: Apache-2.0
"""A chunk is computed before a stage serves.

given a shard that torch or the native step computes
    when it is warmed up
        it should compute a chunk, measure it, and hold no cache afterwards
    when the budget has room for a part of the chunk
        it should compute that many rows
    when the budget has room for nothing
        it should compute nothing and return 0
    when it cannot compute
        it should raise WarmUpFailed, and hold no cache
given a stage
    when it starts
        it should report its longest step with the first answer, and hold no cache
    when its shard cannot compute
        it should not serve
    when it computed a longer step
        it should report that
"""

import threading
from typing import Any

import pytest
import torch

from shard_runtime import (
    Backend,
    FixedDirectory,
    ModelSource,
    Stage,
    StageIdentity,
    load_shard,
)
from shard_runtime.backends.native import NativeUnavailable, load_library
from shard_runtime.backends.shard import Shard
from shard_runtime.engine.stage.request_guard import AnyRequest
from shard_runtime.engine.timings import warm_up
from shard_runtime.errors import WarmUpFailed
from shard_runtime.links.frames import Alive, Heartbeat, Load, decode, encode
from shard_runtime.links.memory_links import MemoryNetwork
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.engine.test_run_life import eventually, is_empty
from tests.shard_runtime.rings import (
    DOMAIN,
    MODEL_ID,
    Ring,
    identity_digest,
    keys_of,
    running,
)
from tests.shard_runtime.tiny_models import CONTEXT, prompt_of

MIDDLE = LayerRange(2, 4)
CHUNK = 8


@pytest.fixture(params=[Backend.TORCH, Backend.NATIVE], ids=["torch", "native"])
def shard(request: pytest.FixtureRequest, llama: ModelSource) -> Shard:
    if request.param is Backend.NATIVE:
        try:
            load_library()
        except NativeUnavailable:
            pytest.skip("the native step is not built")
    return load_shard(llama, MIDDLE, is_entry=False, backend=request.param)


def watched(shard: Shard) -> list[int]:
    """How many rows each call has, from now on."""
    rows: list[int] = []
    forward = shard.forward

    def noting(hidden: torch.Tensor, *others: Any) -> torch.Tensor:
        rows.append(len(hidden))
        return forward(hidden, *others)

    shard.forward = noting  # type: ignore[method-assign]
    return rows


def broken(shard: Shard) -> None:
    def fail(*_: Any) -> torch.Tensor:
        raise RuntimeError("no memory on the device")

    shard.forward = fail  # type: ignore[method-assign]


def test_warm_up__room_for_a_chunk__computes_and_measures_it_and_holds_nothing(
    shard: Shard,
) -> None:
    rows, pool = watched(shard), shard.cache_pool(1 << 20)
    assert warm_up(shard, pool, CHUNK) > 0
    assert set(rows) == {CHUNK}
    assert pool.used_bytes == 0


def test_warm_up__chunk_beyond_the_models_context__computes_what_a_prompt_can_have(
    shard: Shard,
) -> None:
    rows = watched(shard)
    warm_up(shard, shard.cache_pool(1 << 24), 4 * CONTEXT)
    assert set(rows) == {CONTEXT}


def test_warm_up__room_for_a_part_of_the_chunk__computes_that_many_rows(llama: ModelSource) -> None:
    shard = load_shard(llama, MIDDLE, is_entry=False, backend=Backend.TORCH)
    rows, pool = watched(shard), shard.cache_pool(shard.cache_pool(0).bytes_for(3))
    assert warm_up(shard, pool, CHUNK) > 0
    assert set(rows) == {2}
    assert pool.used_bytes == 0


def test_warm_up__room_for_nothing__computes_nothing_and_returns_zero(shard: Shard) -> None:
    rows = watched(shard)
    assert warm_up(shard, shard.cache_pool(10), CHUNK) == 0
    assert rows == []


def test_warm_up__shard_cannot_compute__raises_and_holds_nothing(shard: Shard) -> None:
    pool = shard.cache_pool(1 << 20)
    broken(shard)
    with pytest.raises(WarmUpFailed, match="8 rows before serving: RuntimeError: no memory on"):
        warm_up(shard, pool, CHUNK)
    assert pool.used_bytes == 0


class Asking:
    """Shard 1's heartbeats to shard 2, and the answers."""

    def __init__(self) -> None:
        self.loads: list[Load] = []

    def __call__(self, receiver: ShardId, body: bytes) -> bytes:
        frame = decode(body)
        if isinstance(frame, Alive) and frame.shard_id == 2:
            self.loads.append(frame.load)
        return body

    def ask(self, ring: Ring) -> Load:
        assert ring.network is not None
        links = ring.network.started_links(keys_of("shard 1").keyset.tls)
        assert links is not None
        links.send_frame(ShardId(2), encode(Heartbeat(2**31, ShardId(1))))
        count = len(self.loads)
        assert eventually(lambda: len(self.loads) > count)
        return self.loads[-1]


def test_start__no_request_yet__reports_the_longest_step_and_holds_no_cache(
    llama: ModelSource,
) -> None:
    asking = Asking()
    with running(llama, 2, tamper=asking) as ring:
        load = asking.ask(ring)
        assert load.longest_microseconds > 0
        assert (load.runs, load.waiting) == (0, 0)
        assert is_empty(ring)


def test_start__shard_cannot_compute__raises_and_does_not_serve(llama: ModelSource) -> None:
    shard = load_shard(llama, MIDDLE, is_entry=False)
    broken(shard)
    keys = keys_of("shard 2")
    network = MemoryNetwork(FixedDirectory(()))
    stage = Stage(
        shard=shard,
        identity=StageIdentity(ShardId(2), MODEL_ID, identity_digest(2), keys.signer, DOMAIN),
        links=network.links(keys.keyset.tls),
        directory=network.directory,
        guard=AnyRequest(),
    )
    with pytest.raises(WarmUpFailed):
        stage.start()
    assert network.started_links(keys.keyset.tls) is None
    stage.close()


def test_load__step_was_longer_than_the_chunk__reports_that(llama: ModelSource) -> None:
    asking, waited = Asking(), threading.Event()
    with running(llama, 2, tamper=asking) as ring:
        before = asking.ask(ring)
        forward = ring.shards[1].forward

        def slow(*arguments: Any) -> torch.Tensor:
            waited.wait(3 * before.longest_microseconds / 1e6)
            return forward(*arguments)

        ring.shards[1].forward = slow  # type: ignore[method-assign]
        assert len(ring.ask(prompt_of(9, seed=9), 4).token_ids) == 4
        assert asking.ask(ring).longest_microseconds >= 2.9 * before.longest_microseconds

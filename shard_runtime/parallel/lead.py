"""Rank 0: a shard like any other to the rest of the runtime, which lets the others follow."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from shard_runtime.cache import CachePool, RunCache
from shard_runtime.errors import RankFailed
from shard_runtime.model.architecture import Architecture
from shard_runtime.model.batch import Span
from shard_runtime.model.decoder_layer import DecoderLayer
from shard_runtime.model.loading import PartLoader, return_freed_memory
from shard_runtime.model.source import ModelSource
from shard_runtime.model.torch_shard import EntryWeights, TorchShard
from shard_runtime.parallel.cutting import check_ranks, rank_shape
from shard_runtime.parallel.group import RankGroup
from shard_runtime.parallel.orders import CloseCache, Forward, OpenCache, Order, Stop, encode
from shard_runtime.parallel.part_loading import load_modules, share_digest
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest

_FOLLOWER = "shard_runtime.parallel.follower"


class Followers:
    """The processes of ranks 1 and up, and which of their caches belongs to which of ours."""

    def __init__(self, group: RankGroup, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self.group = group
        self._processes = processes
        self._numbers: dict[int, int] = {}
        self._next = 0

    @property
    def ranks(self) -> int:
        return self.group.size

    def open(self, cache: RunCache) -> None:
        self._numbers[id(cache)] = self._next  # ours until `close`, so its id is not reused
        self._order(OpenCache(self._next, cache.capacity))
        self._next += 1

    def close(self, cache: RunCache) -> None:
        self._order(CloseCache(self._numbers.pop(id(cache))))

    def compute(self, hidden: torch.Tensor, spans: Sequence[Span]) -> None:
        """Let them take part in what we are about to compute."""
        self._order(Forward(tuple((self._number(s.cache), s.first, s.rows) for s in spans)))
        self.group.share(hidden)

    def stop(self) -> None:
        self._order(Stop())
        for process in self._processes:
            process.wait()
        self.group.close()

    def _number(self, cache: RunCache) -> int:
        return self._numbers[id(cache)]

    def _order(self, order: Order) -> None:
        self.group.share_numbers(encode(order))


class LeadPool(CachePool):
    """A pool whose caches have counterparts on every rank. The budget is each rank's."""

    def __init__(
        self,
        followers: Followers,
        shape: Architecture,
        layers: int,
        dtype: torch.dtype,
        budget: int,
    ) -> None:
        super().__init__(shape, layers, dtype, budget)
        self._followers = followers

    def open(self, capacity: int) -> RunCache:
        cache = super().open(capacity)
        self._followers.open(cache)
        return cache

    def close(self, cache: RunCache) -> None:
        super().close(cache)
        self._followers.close(cache)


class LeadShard(TorchShard):
    """A shard of which this process computes a part."""

    def __init__(
        self,
        *,
        followers: Followers,
        architecture: Architecture,
        layers: LayerRange,
        modules: tuple[DecoderLayer, ...],
        entry: EntryWeights | None,
        slice_digest: bytes,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(
            architecture=architecture,
            layers=layers,
            modules=modules,
            entry=entry,
            slice_digest=slice_digest,
            dtype=dtype,
        )
        self._followers = followers

    def cache_pool(self, budget: int) -> CachePool:
        shape = rank_shape(self.architecture, self._followers.ranks)
        return LeadPool(self._followers, shape, len(self.layers), self.dtype, budget)

    def close(self) -> None:
        """End the followers, after whatever computes here has ended."""
        self._followers.stop()

    def _through(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        hidden = hidden.contiguous()
        self._followers.compute(hidden, spans)
        return super()._through(hidden, spans)


def load_parallel_shard(
    source: ModelSource,
    layers: LayerRange,
    *,
    is_entry: bool,
    ranks: int,
    manifest: ModelManifest | None = None,
    dtype: str = "float32",
) -> LeadShard:
    """Start `ranks` − 1 processes beside this one and load the shard into all of them.

    Raises as `load_shard` does, `SplitInvalid` where heads, MLP or experts do not divide, and
    `RankFailed`.
    """
    check_ranks(source.architecture, ranks)
    loader = PartLoader(source, layers, is_entry=is_entry, manifest=manifest, dtype=dtype)
    with _started(source, layers, ranks, dtype) as followers:
        modules = load_modules(source.architecture, layers, loader, followers.group)
        share_digest(followers.group, loader.slice_digest)
        if not followers.group.all_agree(True):
            raise RankFailed("it read other bytes than the first")
        entry = EntryWeights(source.architecture, loader.entry()) if is_entry else None
    return_freed_memory()
    return LeadShard(
        followers=followers,
        architecture=source.architecture,
        layers=layers,
        modules=modules,
        entry=entry,
        slice_digest=loader.slice_digest,
        dtype=loader.dtype,
    )


@contextmanager
def _started(
    source: ModelSource, layers: LayerRange, ranks: int, dtype: str
) -> Iterator[Followers]:
    """The followers, who live on if the block does not raise."""
    with tempfile.TemporaryDirectory(prefix="teetee-ranks-") as folder, ExitStack() as stack:
        meeting_place = Path(folder) / "ranks"
        processes = []
        for rank in range(1, ranks):
            process = _start(_task(source, layers, rank, ranks, meeting_place, dtype))
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        group = RankGroup(rank=0, size=ranks, meeting_place=meeting_place)
        stack.callback(group.close)
        yield Followers(group, processes)
        stack.pop_all()


def _start(task: dict[str, Any]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", _FOLLOWER, json.dumps(task)])


def _task(
    source: ModelSource, layers: LayerRange, rank: int, ranks: int, meeting_place: Path, dtype: str
) -> dict[str, Any]:
    return {
        "model": str(source.path),
        "layers": [layers.first, layers.end],
        "rank": rank,
        "ranks": ranks,
        "meetingPlace": str(meeting_place),
        "dtype": dtype,
    }

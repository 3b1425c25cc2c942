"""A shard held by several ranks is the shard that one process would hold.

given a model of any family whose heads, MLP and experts divide
    when its layers are cut for ranks, and what they compute is summed
        it should give the hidden states of the whole, in chunks and for several runs at once
    when its heads, MLP or experts do not divide
        it should be refused, naming what
given real processes
    when an entry of two ranks generates, run after run
        it should say what transformers says, and have the digest of the whole
    when another rank reads other bytes than the first
        it should be refused
    when another rank ends
        it should be noticed
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
import torch

from shard_runtime import ModelSource, load_shard, open_model
from shard_runtime.cache import CachePool
from shard_runtime.errors import RankFailed, SplitInvalid
from shard_runtime.model.architecture import Architecture
from shard_runtime.model.batch import Span
from shard_runtime.model.loading import PartLoader
from shard_runtime.model.torch_shard import TorchShard
from shard_runtime.parallel import lead
from shard_runtime.parallel.cutting import check_ranks, rank_shape
from shard_runtime.parallel.lead import LeadShard, load_parallel_shard
from shard_runtime.parallel.orders import (
    CloseCache,
    Forward,
    OpenCache,
    Order,
    Stop,
    decode,
    encode,
)
from shard_runtime.parallel.part_loading import load_modules
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.tiny_models import LAYERS, MODELS, greedy, prompt_of

RANKS = 2
WHOLE = LayerRange(0, LAYERS)


class ThreadRank:
    """One of several ranks in one process."""

    def __init__(self, rank: int, barrier: Barrier, said: dict[int, torch.Tensor]) -> None:
        self.rank, self.size = rank, barrier.parties
        self._barrier = barrier
        self._said = said

    def add_up(self, computed: torch.Tensor) -> torch.Tensor:
        self._said[self.rank] = computed
        self._barrier.wait()
        total = torch.stack([self._said[rank] for rank in range(self.size)]).sum(0)
        self._barrier.wait()
        return total


def load_rank(source: ModelSource, group: ThreadRank) -> TorchShard:
    """The layers' part of one rank, without embedding and head."""
    loader = PartLoader(source, WHOLE, is_entry=False, manifest=None, dtype="float32")
    return TorchShard(
        architecture=source.architecture,
        layers=WHOLE,
        modules=load_modules(source.architecture, WHOLE, loader, group),
        entry=None,
        slice_digest=loader.slice_digest,
        dtype=torch.float32,
    )


def compute(shard: TorchShard, pool: CachePool, hidden: torch.Tensor) -> torch.Tensor:
    """Two runs of 12 rows each: chunks of 7 and 5, both runs in each call."""
    caches = [pool.open(12), pool.open(12)]
    rows = []
    for first, end in ((0, 7), (7, 12)):
        spans = [Span(cache, first, end - first) for cache in caches]
        rows.append(shard.forward(torch.cat([hidden[first:end]] * 2), spans))
    return torch.cat(rows)


@pytest.mark.parametrize("name", MODELS)
def test_forward__layers_cut_for_two_ranks__equal_the_whole(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    source = tiny(name)[0]
    barrier, said = Barrier(RANKS), {}  # type: ignore[var-annotated]
    shards = [load_rank(source, ThreadRank(rank, barrier, said)) for rank in range(RANKS)]
    shape = rank_shape(source.architecture, RANKS)
    hidden = torch.randn(12, source.architecture.hidden_size)
    with ThreadPoolExecutor(RANKS) as threads:
        ours = list(
            threads.map(
                lambda shard: compute(
                    shard, CachePool(shape, LAYERS, torch.float32, 1 << 24), hidden
                ),
                shards,
            )
        )
    whole = load_shard(source, WHOLE, is_entry=False)
    theirs = compute(whole, whole.cache_pool(1 << 24), hidden)
    assert torch.equal(ours[0], ours[1])
    assert (ours[0] - theirs).abs().max() <= 2e-5 * theirs.abs().max()


def with_experts(architecture: Architecture, count: int) -> Architecture:
    assert architecture.experts is not None
    return replace(architecture, experts=replace(architecture.experts, count=count))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda plain: replace(plain, kv_head_count=3), "3 key and value heads"),
        (lambda plain: replace(plain, intermediate_size=81), "81 inner rows of the MLP"),
        (lambda plain: with_experts(plain, 5), "5 experts"),
    ],
    ids=["heads", "MLP", "experts"],
)
def test_check_ranks__parts_that_do_not_divide__names_them(
    tiny: Callable[[str], Tiny], change: Callable[[Architecture], Architecture], what: str
) -> None:
    architecture = tiny("qwen3 moe with dense layers")[0].architecture
    check_ranks(architecture, 2)
    with pytest.raises(SplitInvalid, match=f"{what} cannot be shared by 2 ranks evenly"):
        check_ranks(change(architecture), 2)


@pytest.mark.parametrize(
    "order",
    [OpenCache(3, 40), CloseCache(3), Forward(((3, 0, 7), (4, 9, 1))), Stop()],
    ids=lambda order: type(order).__name__,
)
def test_orders__encoded__decode_to_themselves(order: Order) -> None:
    assert decode(encode(order)) == order


@contextmanager
def two_ranks(source: ModelSource, *, is_entry: bool = True) -> Iterator[LeadShard]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    shard = load_parallel_shard(source, WHOLE, is_entry=is_entry, ranks=RANKS)
    try:
        yield shard
    finally:
        shard.close()


@pytest.mark.system
@pytest.mark.parametrize("name", ["gpt2", "qwen3 moe with dense layers"])
def test_forward__two_processes__say_what_transformers_says(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    source, reference = tiny(name)
    prompt = prompt_of(9, seed=9)
    with two_ranks(source) as shard:
        assert shard.slice_digest == load_shard(source, WHOLE, is_entry=True).slice_digest
        pool = shard.cache_pool(1 << 20)
        for _ in range(2):  # a cache that is closed makes room for another
            cache = pool.open(20)
            hidden = shard.forward_one(shard.embed(prompt), cache, 0)
            tokens: list[int] = []
            while len(tokens) < 8:
                tokens.append(int(shard.logits(hidden[-1]).argmax()))
                position = len(prompt) + len(tokens) - 1
                hidden = shard.forward_one(shard.embed((tokens[-1],)), cache, position)
            pool.close(cache)
            assert pool.used == 0
            assert tuple(tokens) == greedy(reference, prompt, 8)


@pytest.mark.system
def test_load_parallel_shard__other_bytes_at_another_rank__raises_rank_failed(
    tiny: Callable[[str], Tiny], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, reference = tiny("llama")
    with torch.no_grad():
        altered = {key: each.clone() for key, each in reference.state_dict().items()}
        altered["model.layers.3.mlp.up_proj.weight"][0, 0] += 1
    reference.save_pretrained(tmp_path, state_dict=altered)
    monkeypatch.setattr(lead, "_task", altering(lead._task, tmp_path))
    with pytest.raises(RankFailed, match="it read other bytes than the first"):
        load_parallel_shard(source, WHOLE, is_entry=False, ranks=RANKS)


@pytest.mark.system
def test_load_parallel_shard__rank_that_ends__raises_rank_failed(
    tiny: Callable[[str], Tiny], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny("llama")[0]
    for file in source.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text()) | {"intermediate_size": 64}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(lead, "_task", altering(lead._task, tmp_path))
    with pytest.raises(RankFailed, match="it ended, or did not come"):
        load_parallel_shard(source, WHOLE, is_entry=False, ranks=RANKS)


def altering(task: Callable[..., dict[str, object]], folder: Path) -> Callable[..., object]:
    """What followers are told, but with another model."""
    assert open_model(folder)
    return lambda *facts: task(*facts) | {"model": str(folder)}

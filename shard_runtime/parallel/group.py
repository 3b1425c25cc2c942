"""The ranks of a shard, and what they do together. Orders and tensors go from rank 0 to all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist

from shard_runtime.errors import RankFailed

_JOINING = timedelta(minutes=5)
_PATIENCE = timedelta(days=365)
"""Followers wait for as long as nobody asks. A rank that ended is noticed by its closed socket."""


class Ranks(Protocol):
    """What a rank needs of the others to compute its part of a layer."""

    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...
    def add_up(self, computed: torch.Tensor) -> torch.Tensor:
        """The sum over all ranks, the same on each."""
        ...


class RankGroup:
    """This process's place among the ranks. One per process, as torch has it. Everything but
    `close` raises `RankFailed`.
    """

    def __init__(self, *, rank: int, size: int, meeting_place: Path) -> None:
        """Returns when all ranks are there. meeting_place: a file that nobody else can reach."""
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"  # or it would listen where the host name leads
        self.rank, self.size = rank, size
        address = f"file://{meeting_place}"
        with _noticing():
            dist.init_process_group(
                "gloo", init_method=address, rank=rank, world_size=size, timeout=_JOINING
            )
            self._group = dist.new_group(timeout=_PATIENCE)

    def close(self) -> None:
        dist.destroy_process_group()

    def add_up(self, computed: torch.Tensor) -> torch.Tensor:
        """In place where its numbers lie in order."""
        computed = computed.contiguous()
        with _noticing():
            dist.all_reduce(computed, group=self._group)
        return computed

    def share(self, tensor: torch.Tensor) -> torch.Tensor:
        """Rank 0's numbers, in place."""
        with _noticing():
            dist.broadcast(tensor, src=0, group=self._group)
        return tensor

    def share_numbers(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Rank 0's, however many; what others pass does not matter."""
        count = int(self.share(torch.tensor([len(numbers)])))
        mine = numbers if self.rank == 0 else (0,) * count
        return tuple(self.share(torch.tensor(mine)).tolist()) if count else ()

    def all_agree(self, fine: bool) -> bool:
        """Whether every rank says so."""
        return int(self.add_up(torch.tensor([int(fine)]))) == self.size


@contextmanager
def _noticing() -> Iterator[None]:
    try:
        yield
    except RuntimeError:  # all that torch.distributed raises; its text has addresses
        raise RankFailed("it ended, or did not come") from None

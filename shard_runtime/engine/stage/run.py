# SPDX-License-Identifier: Apache-2.0
"""One run on a stage: its binding to peers and commitments, and the rows that wait."""

import torch

from shard_runtime.backends.kv_cache import RunCache
from shard_runtime.engine.receipts import RunBinding
from shard_runtime.engine.run import Run
from shard_runtime.engine.stage.request_guard import RunTerms
from shard_runtime.errors import FrameInvalid
from shard_runtime.links.frames import Open
from teetee.protocol.commitments import RunningCommitment


class StageRun(Run):
    """One run on one stage."""

    cache: RunCache | None
    """None until the guard admits the run: an undecided run reserves nothing."""

    def __init__(self, opening: Open, binding: RunBinding) -> None:
        self.hop = opening.place.hop
        super().__init__(
            opening.place.run,
            binding,
            incoming_hop=self.hop,
            outgoing_hop=self.hop + 1,
            received=RunningCommitment(opening.salts[0]),
            sent=RunningCommitment(opening.salts[1]),
        )
        self.cache = None
        self.entry = binding.peers[0].shard_id
        self.entry_tls = binding.peers[0].tls
        self.terms = RunTerms(
            request_id=binding.request_id,
            model_id=binding.model_id,
            entry=self.entry,
            sender=binding.peers[self.hop - 1].shard_id,
            capacity=opening.capacity,
        )
        self.is_counted = False
        """By the guard."""
        self._waiting = torch.empty(0)

    @property
    def is_admitted(self) -> bool:
        """Whether it may be computed; until then its rows wait here alone."""
        return self.cache is not None

    @property
    def is_awaiting_one_row(self) -> bool:
        is_idle = self.positions_received == self.positions_sent
        return self.is_admitted and is_idle and self.positions_sent < self.terms.capacity

    def on_received(self, rows: torch.Tensor, data: bytes) -> None:
        """Queue received rows, (T, H). Raises `FrameInvalid` beyond the run's capacity."""
        end = self.positions_received + rows.shape[0]
        if end > self.terms.capacity:
            raise FrameInvalid(f"reaches position {end} of {self.terms.capacity}")
        self.received.update(data)
        is_first = self.positions_received == self.positions_sent
        self._waiting = rows if is_first else torch.cat([self._waiting, rows])
        self.positions_received = end

    def next_rows(self, count: int) -> torch.Tensor:
        """Remove and return the first waiting rows, (count, H)."""
        rows, self._waiting = self._waiting[:count], self._waiting[count:]
        return rows

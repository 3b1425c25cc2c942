# SPDX-License-Identifier: Apache-2.0
"""The two ports of an inference in memory: a runtime that counts words as tokens, and two paths."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from eth_account import Account

from oracle.inference.errors import NoPath
from shard_runtime import Generation, GenerationJob
from shard_runtime.engine.entry.path_search import PATH_FAILURES, blamed_for
from shard_runtime.errors import RunCancelled
from teetee.errors import Retryable
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.path import ShardPair
from teetee.protocol.receipts import SignedReceipt, StageReceipt
from teetee.protocol.typed_data import escrow_domain

TEXT = "the canary sings"
ENTRY, REPLICA, LAST = ShardId(1), ShardId(2), ShardId(3)
ACCOUNT = Account.from_key(bytes(31) + b"\1")
DOMAIN = escrow_domain(31_337, "0x00000000000000000000000000000000000000E5")


def receipt(request_id: RequestId) -> SignedReceipt:
    """The entry's receipt."""
    statement = StageReceipt(
        request_id=request_id,
        model_id=ModelId(1),
        shard_id=ENTRY,
        layers=LayerRange(0, 4),
        identity_digest=b"i" * 32,
        first_position=0,
        end_position=11,
        input_commitment=b"a" * 32,
        output_commitment=b"b" * 32,
        previous_receipt=bytes(32),
    )
    return statement.sign(ACCOUNT, DOMAIN)


class FakeEntry:
    """`plan` says what each path does, its last item for all that follow."""

    def __init__(self) -> None:
        self.plan: list[Exception | None] = [None]
        self.runs: list[dict[str, Any]] = []
        self.jobs: list[GenerationJob] = []
        self.is_pathless_at_once = False
        """Whether the time that a job waits for a path is over at once."""
        self.check_error: Exception | None = None
        self.earlier_shards: tuple[ShardId, ...] | None = None
        """None: those of the runs that broke."""

    def encode(self, messages: Sequence[dict[str, str]]) -> Sequence[int]:
        return range(sum(len(message["content"].split()) for message in messages))

    def check(self, token_ids: Sequence[int]) -> None:
        if self.check_error is not None:
            raise self.check_error

    def generate(self, job: GenerationJob) -> Generation:
        assert job.is_cancelled is not None
        assert job.on_failure is not None
        assert job.on_text is not None
        self.jobs.append(job)
        failed: frozenset[ShardId] = frozenset()
        while True:
            path = self._next_path(job, failed)
            hops = tuple(job.salt_of(hop) for hop in range(len(path) + 1))
            self.runs.append({"sampling": job.sampling, "path": path, "salts": hops})
            if job.is_cancelled():
                raise RunCancelled
            failure = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
            if failure is None:
                job.on_text(TEXT)
                return self._generation(job, tuple(sorted(failed)))
            if not isinstance(failure, PATH_FAILURES):
                raise failure
            job.on_failure(failure)
            failed |= blamed_for(failure)

    def _next_path(self, job: GenerationJob, failed: frozenset[ShardId]) -> tuple[ShardId, ...]:
        try:
            return tuple(job.choose_path(failed))
        except Retryable:
            # The runtime waits for a path until the caller gives up: here, at once.
            assert job.deadline == math.inf
            if self.is_pathless_at_once:
                raise
            raise RunCancelled from None

    def _generation(self, job: GenerationJob, failed: tuple[ShardId, ...]) -> Generation:
        return Generation(
            text=TEXT,
            token_ids=(7, 8),
            finish_reason="stop",
            input_tokens=len(job.token_ids),
            output_tokens=2,
            receipts=(receipt(job.request_id),),
            earlier_shards=failed if self.earlier_shards is None else self.earlier_shards,
        )


class FakePaths:
    """Two replicas for the rest of the model."""

    def __init__(self) -> None:
        self.failed: list[ShardId] = []
        self.parted: list[tuple[ShardId, ...]] = []
        self.has_path = True
        self.until: set[int] = set()

    def choose(
        self, *, avoiding: frozenset[ShardId], permits: Callable[[ShardId], bool], until: int
    ) -> Sequence[ShardId]:
        self.until.add(until)
        for shard_id in (REPLICA, LAST):
            if shard_id not in avoiding and permits(shard_id) and self.has_path:
                return [ENTRY, shard_id]
        raise NoPath(model_id=1, layers=4)

    def record_failure(self, shards: Iterable[ShardId], pairs: Iterable[ShardPair] = ()) -> None:
        self.failed += sorted(shards)
        self.parted += [tuple(sorted(pair)) for pair in pairs]

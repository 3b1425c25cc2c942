# SPDX-License-Identifier: Apache-2.0
"""A ring of stage processes on loopback with real links. A ring of one is the unsplit model."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from shard_runtime.backends.loading import Backend
from shard_runtime.engine.receipts import RunBinding, check_commitment, check_receipt
from shard_runtime.links.peers import Peer
from shard_runtime.model_files.source import ModelSource
from shard_tools.check.loopback import DOMAIN, MODEL_ID, loopback_peer, peer_to_json
from shard_tools.check.processes import WorkerProcess, start_worker
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import SignedReceipt


@dataclass(frozen=True, slots=True)
class RingAnswer:
    """A ring's answer to one prompt."""

    token_ids: tuple[int, ...]
    finish_reason: str
    receipts: int
    """The number of receipts, all verified again here."""


@dataclass(frozen=True, slots=True)
class RingResult:
    """A ring's answers to all prompts, and the peak memory of its processes in path order."""

    answers: tuple[RingAnswer, ...]
    peak_bytes: tuple[int, ...]


def run_ring(
    source: ModelSource,
    layers: Sequence[LayerRange],
    prompts: Sequence[tuple[int, ...]],
    max_tokens: int,
    *,
    dtype: str = "float32",
    backend: Backend = Backend.AUTO,
    together: bool = False,
) -> RingResult:
    """Starts one process per range, sends all prompts, and stops the processes.

    together: sends all prompts at once instead of one after the other.
    Raises `CheckFailed`, `ReceiptInvalid`, `CommitmentMismatch`.
    """
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(start_worker(f"stage {stage} for layers {each}", "stage"))
            for stage, each in enumerate(layers)
        ]
        peers = _load(workers, source, layers, dtype, backend)
        for peer, worker in zip(peers, workers, strict=True):
            worker.ask(
                do="join", shardId=peer.shard_id, peers=[peer_to_json(each) for each in peers]
            )
        asked = [(RequestId(number), prompt) for number, prompt in enumerate(prompts, start=1)]
        answers = tuple(
            answer
            for group in ([asked] if together else [[each] for each in asked])
            for answer in _ask(workers[0], peers, group, max_tokens)
        )
        for worker in workers:
            worker.ask(do="report_peak")
        return RingResult(answers, tuple(worker.peak_bytes for worker in workers))


def _load(
    workers: Sequence[WorkerProcess],
    source: ModelSource,
    layers: Sequence[LayerRange],
    dtype: str,
    backend: Backend,
) -> tuple[Peer, ...]:
    """Loads all stages at the same time."""
    for stage, (worker, each) in enumerate(zip(workers, layers, strict=True)):
        worker.send(
            do="load",
            model=str(source.path),
            layers=[each.first, each.end],
            isEntry=stage == 0,
            dtype=dtype,
            backend=backend.value,
        )
    replies = [worker.receive() for worker in workers]
    return tuple(
        loopback_peer(ShardId(stage), each, reply)
        for stage, (each, reply) in enumerate(zip(layers, replies, strict=True), start=1)
    )


def _ask(
    entry: WorkerProcess,
    peers: tuple[Peer, ...],
    asked: Sequence[tuple[RequestId, tuple[int, ...]]],
    max_tokens: int,
) -> list[RingAnswer]:
    """Sends these prompts at once."""
    reply = entry.ask(
        do="ask",
        prompts=[{"requestId": number, "tokenIds": prompt} for number, prompt in asked],
        maxTokens=max_tokens,
        path=[peer.shard_id for peer in peers],
    )
    answers = []
    for (number, prompt), answer in zip(asked, reply["answers"], strict=True):
        token_ids = tuple(answer["tokenIds"])
        receipts = [SignedReceipt.from_json(receipt) for receipt in answer["receipts"]]
        _verify(RunBinding(number, MODEL_ID, peers), receipts, len(prompt) + len(token_ids) - 1)
        answers.append(RingAnswer(token_ids, answer["finishReason"], len(receipts)))
    return answers


def _verify(binding: RunBinding, receipts: Sequence[SignedReceipt], end_position: int) -> None:
    """Verifies the receipts alone, without the hidden states that only the entry can compare."""
    for stage in range(len(binding.peers)):
        check_receipt(binding, DOMAIN, stage, receipts, end_position)
    for stage, following in enumerate(receipts[1:]):
        received = following.receipt.input_commitment
        check_commitment(binding, stage, receipts[stage], received)

"""A ring of stage processes on loopback, with real links; a ring of one is the unsplit model."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from shard_runtime.check.loopback import DOMAIN, MODEL_ID, loopback_peer
from shard_runtime.check.peers_json import peer_to_json
from shard_runtime.check.processes import WorkerProcess, started
from shard_runtime.model.source import ModelSource
from shard_runtime.peers import Peer
from shard_runtime.receipts import RunBinding, check_commitment, check_receipt
from teetee.identifiers import RequestId, ShardId
from teetee.layers import LayerRange
from teetee.receipts import SignedReceipt


@dataclass(frozen=True, slots=True)
class RingAnswer:
    """What a ring made of one prompt."""

    token_ids: tuple[int, ...]
    finish_reason: str
    receipts: int
    """How many there were, all verified here once more."""


@dataclass(frozen=True, slots=True)
class RingResult:
    """What a ring made of all prompts, and the peak memory of its processes in path order."""

    answers: tuple[RingAnswer, ...]
    peak_bytes: tuple[int, ...]


def run_ring(
    source: ModelSource,
    layers: Sequence[LayerRange],
    prompts: Sequence[tuple[int, ...]],
    max_tokens: int,
) -> RingResult:
    """Start one process per range, ask them everything, end them.

    Raises `CheckFailed`, `ReceiptInvalid`, `CommitmentMismatch`.
    """
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(started(f"stage {stage} for layers {each}", "stage"))
            for stage, each in enumerate(layers)
        ]
        peers = _load(workers, source, layers)
        for peer, worker in zip(peers, workers, strict=True):
            worker.ask(
                do="join", shardId=peer.shard_id, peers=[peer_to_json(each) for each in peers]
            )
        answers = tuple(
            _ask(workers[0], peers, RequestId(number), prompt, max_tokens)
            for number, prompt in enumerate(prompts, start=1)
        )
        for worker in workers:
            worker.ask(do="rest")
        return RingResult(answers, tuple(worker.peak_bytes for worker in workers))


def _load(
    workers: Sequence[WorkerProcess], source: ModelSource, layers: Sequence[LayerRange]
) -> tuple[Peer, ...]:
    """All at once."""
    for stage, (worker, each) in enumerate(zip(workers, layers, strict=True)):
        worker.send(
            do="load",
            model=str(source.path),
            layers=[each.first, each.end],
            isEntry=stage == 0,
        )
    replies = [worker.receive() for worker in workers]
    return tuple(
        loopback_peer(ShardId(stage), each, reply)
        for stage, (each, reply) in enumerate(zip(layers, replies, strict=True), start=1)
    )


def _ask(
    entry: WorkerProcess,
    peers: tuple[Peer, ...],
    request_id: RequestId,
    prompt: tuple[int, ...],
    max_tokens: int,
) -> RingAnswer:
    reply = entry.ask(
        do="ask",
        tokenIds=prompt,
        maxTokens=max_tokens,
        path=[peer.shard_id for peer in peers],
        requestId=request_id,
    )
    token_ids = tuple(reply["tokenIds"])
    receipts = [SignedReceipt.from_json(receipt) for receipt in reply["receipts"]]
    _verify(RunBinding(request_id, MODEL_ID, peers), receipts, len(prompt) + len(token_ids) - 1)
    return RingAnswer(token_ids, reply["finishReason"], len(receipts))


def _verify(binding: RunBinding, receipts: Sequence[SignedReceipt], end_position: int) -> None:
    """As anyone could who holds the receipts. What came back to the entry, only it can compare."""
    for stage in range(len(binding.peers)):
        check_receipt(binding, DOMAIN, stage, receipts, end_position)
    for stage, following in enumerate(receipts[1:]):
        taken = following.receipt.input_commitment
        check_commitment(binding, stage, receipts[stage], taken)

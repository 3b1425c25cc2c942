# SPDX-License-Identifier: Apache-2.0
"""Ours: a ring of stage processes, each pinned, asked with any number of streams.

The one place (with `stage_process`, its other end) that knows how this runtime is started: what the
engine is called and which precisions it computes in.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.runtime.machine import cores
from benchmarks.runtime.machine.workers import started
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.sample import Moments, Sample, overlap_share, sample_of
from benchmarks.runtime.workload import Workload
from shard_runtime import Peer, split_layers
from shard_runtime.backends.native import NativeUnavailable, load_library
from shard_tools.check.loopback import loopback_peer, peer_to_json
from shard_tools.check.processes import WorkerProcess
from teetee.protocol.identifiers import ShardId

FP32, INT8, BF16 = "fp32", "int8", "bf16"
PRECISIONS = (FP32, INT8)
"""Compared on processors; bf16 is for GPUs."""


def missing(precision: str) -> str | None:
    """Why this runtime does not compute in a precision here."""
    if precision == INT8:
        try:
            load_library()
        except NativeUnavailable as error:
            return str(error)
    return None


@dataclass(frozen=True, slots=True)
class Ring:
    """A `System`."""

    model: BenchmarkModel
    workload: Workload
    stages: int
    threads: int
    """Of each stage, each on a core of its own, as long as there are cores."""
    precision: str
    encrypted: bool = True
    committed: bool = True
    device: str = "cpu"

    @property
    def name(self) -> str:
        without = ["TLS"] * (not self.encrypted) + ["commitments"] * (not self.committed)
        suffix = f" without {' and '.join(without)}" if without else ""
        place = "" if self.device == "cpu" else f" on {self.device}"
        return f"teetee {self.precision} {self.stages} × {self.threads}{place}{suffix}"

    @property
    def missing(self) -> str | None:
        return missing(self.precision)

    @contextlib.contextmanager
    def open(self) -> Iterator["RunningRing"]:
        with contextlib.ExitStack() as stack:
            workers = [
                stack.enter_context(
                    started(
                        f"{self.name}, stage {stage}",
                        "benchmarks.runtime.engine.stage_process",
                        cores=cores.share(stage, self.threads),
                        threads=self.threads,
                    )
                )
                for stage in range(self.stages)
            ]
            peers = self._load(workers)
            told = [peer_to_json(peer) for peer in peers]
            for peer, worker in zip(peers, workers, strict=True):
                worker.ask(do="join", shardId=peer.shard_id, peers=told)
            running = RunningRing(workers, self.workload, self.model.vocabulary)
            running.warm_up()
            yield running

    def _load(self, workers: Sequence[WorkerProcess]) -> list[Peer]:
        layers = split_layers(self.model.architecture, self.stages)
        for stage, (worker, each) in enumerate(zip(workers, layers, strict=True)):
            worker.send(
                do="load",
                model=str(self.model.folder),
                layers=[each.first, each.end],
                isEntry=stage == 0,
                precision=self.precision,
                device=self.device,
                encrypted=self.encrypted,
                committed=self.committed,
            )
        replies = [worker.receive() for worker in workers]
        told = enumerate(zip(layers, replies, strict=True), start=1)
        return [loopback_peer(ShardId(number), *each) for number, each in told]


class RunningRing:
    """Started, joined, warm."""

    note = None

    def __init__(
        self, workers: Sequence[WorkerProcess], workload: Workload, vocabulary: int
    ) -> None:
        self._workers = workers
        self._workload = workload
        self._vocabulary = vocabulary

    def warm_up(self) -> None:
        """Connections, first pages, first products."""
        self._ask(replace(self._workload, new_tokens=2), 1)
        self._reports()

    def sample(self, streams: int) -> Sample:
        processes = [worker.process.pid for worker in self._workers]
        for process in processes:
            cores.forget_peak(process)
        moments = self._ask(self._workload, streams)
        reports = self._reports()
        positions = streams * (self._workload.prompt_tokens + self._workload.new_tokens - 1)
        return replace(
            sample_of(moments, self._workload.prompt_tokens),
            peak_bytes=tuple(
                cores.peak_bytes(process) - cores.bare_bytes() for process in processes
            ),
            busy_share=tuple(overlap_share(each["spans"], moments.window) for each in reports),
            hop_bytes_per_position=tuple(report["bytes"] / positions for report in reports),
            hop_frames=tuple(report["frames"] for report in reports),
            commitment_seconds=sum(report["commitmentSeconds"] for report in reports),
            signature_seconds=sum(report["signatureSeconds"] for report in reports),
        )

    def _ask(self, workload: Workload, streams: int) -> Moments:
        prompts = workload.prompts(streams, self._vocabulary)
        reply = self._workers[0].ask(do="ask", prompts=prompts, newTokens=workload.new_tokens)
        return Moments(reply["began"], reply["moments"], reply["ended"])

    def _reports(self) -> list[dict[str, Any]]:
        return [worker.ask(do="report") for worker in self._workers]

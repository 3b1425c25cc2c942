# SPDX-License-Identifier: Apache-2.0
"""TeeTee under test: a ring of stage processes, each pinned to its cores.

Only this module and `stage_process`, its counterpart, know how to start the runtime.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.runtime.machine import cores
from benchmarks.runtime.machine.workers import start_worker
from benchmarks.runtime.measurement.sample import Sample, TokenTimes, overlap_share, sample_from
from benchmarks.runtime.measurement.workload import INT8, Workload
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from shard_runtime import Peer, split_layers
from shard_runtime.backends.native import NativeUnavailable, load_library
from shard_tools.check.loopback import loopback_peer, peer_to_json
from shard_tools.check.processes import WorkerProcess
from teetee.protocol.identifiers import ShardId


def unavailable_reason(precision: str) -> str | None:
    """Why this runtime cannot compute in a precision here; None if it can."""
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
    """Threads per stage, each on its own core while there are cores."""
    precision: str
    encrypted: bool = True
    committed: bool = True
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Precision, stages × threads, and what was disabled."""
        without = ["TLS"] * (not self.encrypted) + ["commitments"] * (not self.committed)
        suffix = f" without {' and '.join(without)}" if without else ""
        device = "" if self.device == "cpu" else f" on {self.device}"
        return f"teetee {self.precision} {self.stages} × {self.threads}{device}{suffix}"

    @property
    def unavailable_reason(self) -> str | None:
        """Why the precision is not available; None if it is."""
        return unavailable_reason(self.precision)

    @contextlib.contextmanager
    def start(self) -> Iterator["RunningRing"]:
        """Starts, joins and warms up the stages."""
        with contextlib.ExitStack() as stack:
            workers = [
                stack.enter_context(
                    start_worker(
                        f"{self.name}, stage {stage}",
                        "benchmarks.runtime.systems.stage_process",
                        cores=cores.cores_for(stage, self.threads),
                        threads=self.threads,
                    )
                )
                for stage in range(self.stages)
            ]
            peers = self._load(workers)
            peers_json = [peer_to_json(peer) for peer in peers]
            for peer, worker in zip(peers, workers, strict=True):
                worker.ask(do="join", shardId=peer.shard_id, peers=peers_json)
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
        numbered = enumerate(zip(layers, replies, strict=True), start=1)
        return [loopback_peer(ShardId(number), *each) for number, each in numbered]


class RunningRing:
    """A started ring."""

    note = None

    def __init__(
        self, workers: Sequence[WorkerProcess], workload: Workload, vocabulary: int
    ) -> None:
        self._workers = workers
        self._workload = workload
        self._vocabulary = vocabulary

    def warm_up(self) -> None:
        """Opens connections and touches memory and code for the first time."""
        self._ask(replace(self._workload, new_tokens=2), 1)
        self._reports()

    def sample(self, streams: int) -> Sample:
        """Answers the workload's prompts in that many streams."""
        processes = [worker.process.pid for worker in self._workers]
        for process in processes:
            cores.reset_peak(process)
        times = self._ask(self._workload, streams)
        reports = self._reports()
        positions = streams * (self._workload.prompt_tokens + self._workload.new_tokens - 1)
        return replace(
            sample_from(times, self._workload.prompt_tokens),
            peak_bytes=tuple(
                cores.peak_bytes(process) - cores.bare_bytes() for process in processes
            ),
            busy_share=tuple(overlap_share(each["spans"], times.window) for each in reports),
            hop_bytes_per_position=tuple(report["bytes"] / positions for report in reports),
            hop_frames=tuple(report["frames"] for report in reports),
            commitment_seconds=sum(report["commitmentSeconds"] for report in reports),
            signature_seconds=sum(report["signatureSeconds"] for report in reports),
        )

    def _ask(self, workload: Workload, streams: int) -> TokenTimes:
        prompts = workload.prompts(streams, self._vocabulary)
        reply = self._workers[0].ask(do="ask", prompts=prompts, newTokens=workload.new_tokens)
        return TokenTimes(reply["began"], reply["tokenTimes"], reply["ended"])

    def _reports(self) -> list[dict[str, Any]]:
        return [worker.ask(do="report") for worker in self._workers]

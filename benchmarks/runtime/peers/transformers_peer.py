# SPDX-License-Identifier: Apache-2.0
"""transformers' `generate`, unsplit, in fp32: what most people run."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version

from benchmarks.runtime.engine.ring import FP32
from benchmarks.runtime.machine import cores
from benchmarks.runtime.machine.workers import started
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.sample import Moments, Sample, sample_of
from benchmarks.runtime.workload import Workload
from shard_tools.check import reference
from shard_tools.check.processes import WorkerProcess


@dataclass(frozen=True, slots=True)
class Transformers:
    """A `System`."""

    model: BenchmarkModel
    workload: Workload
    threads: int
    precision: str = FP32
    device: str = "cpu"

    @property
    def name(self) -> str:
        place = "" if self.device == "cpu" else f" on {self.device}"
        return f"transformers {self.precision} 1 × {self.threads}{place}"

    @property
    def missing(self) -> str | None:
        return None if reference.is_installed() else "transformers is not installed"

    @property
    def version(self) -> str:
        return version("transformers")

    @contextlib.contextmanager
    def open(self) -> Iterator["RunningTransformers"]:
        module = "benchmarks.runtime.peers.transformers_process"
        place = cores.share(0, self.threads)
        with started(self.name, module, cores=place, threads=self.threads) as worker:
            worker.ask(
                do="load",
                model=str(self.model.folder),
                precision=self.precision,
                device=self.device,
            )
            running = RunningTransformers(worker, self.workload, self.model.vocabulary)
            running.ask(replace(self.workload, new_tokens=2), 1)
            yield running


class RunningTransformers:
    """Loaded and warm."""

    note = None

    def __init__(self, worker: WorkerProcess, workload: Workload, vocabulary: int) -> None:
        self._worker = worker
        self._workload = workload
        self._vocabulary = vocabulary

    def sample(self, streams: int) -> Sample:
        process = self._worker.process.pid
        cores.forget_peak(process)
        moments = self.ask(self._workload, streams)
        peak = cores.peak_bytes(process) - cores.bare_bytes()
        sample = sample_of(moments, self._workload.prompt_tokens)
        return replace(sample, peak_bytes=(peak,))

    def ask(self, workload: Workload, streams: int) -> Moments:
        """One batch."""
        prompts = workload.prompts(streams, self._vocabulary)
        reply = self._worker.ask(do="ask", prompts=prompts, newTokens=workload.new_tokens)
        return Moments(reply["began"], reply["moments"], reply["ended"])

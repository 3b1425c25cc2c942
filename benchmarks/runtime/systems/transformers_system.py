# SPDX-License-Identifier: Apache-2.0
"""transformers' `generate` under test, unsplit, in fp32: what most people run."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version

from benchmarks.runtime.machine import cores
from benchmarks.runtime.machine.workers import start_worker
from benchmarks.runtime.measurement.sample import Sample, TokenTimes, sample_from
from benchmarks.runtime.measurement.workload import FP32, Workload
from benchmarks.runtime.models.smollm2 import BenchmarkModel
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
        """Precision, processes × threads, device."""
        device = "" if self.device == "cpu" else f" on {self.device}"
        return f"transformers {self.precision} 1 × {self.threads}{device}"

    @property
    def unavailable_reason(self) -> str | None:
        """Whether transformers is missing."""
        return None if reference.is_installed() else "transformers is not installed"

    @property
    def version(self) -> str:
        """Of transformers."""
        return version("transformers")

    @contextlib.contextmanager
    def start(self) -> Iterator["RunningTransformers"]:
        """Loads the model and warms up."""
        module = "benchmarks.runtime.systems.transformers_process"
        allowed = cores.cores_for(0, self.threads)
        with start_worker(self.name, module, cores=allowed, threads=self.threads) as worker:
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
    """A loaded model."""

    note = None

    def __init__(self, worker: WorkerProcess, workload: Workload, vocabulary: int) -> None:
        self._worker = worker
        self._workload = workload
        self._vocabulary = vocabulary

    def sample(self, streams: int) -> Sample:
        """Answers the workload's prompts in one batch."""
        process = self._worker.process.pid
        cores.reset_peak(process)
        times = self.ask(self._workload, streams)
        peak = cores.peak_bytes(process) - cores.bare_bytes()
        sample = sample_from(times, self._workload.prompt_tokens)
        return replace(sample, peak_bytes=(peak,))

    def ask(self, workload: Workload, streams: int) -> TokenTimes:
        """Answers one batch."""
        prompts = workload.prompts(streams, self._vocabulary)
        reply = self._worker.ask(do="ask", prompts=prompts, newTokens=workload.new_tokens)
        return TokenTimes(reply["began"], reply["tokenTimes"], reply["ended"])

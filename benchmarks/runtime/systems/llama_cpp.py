# SPDX-License-Identifier: Apache-2.0
"""llama.cpp under test, unsplit and split over RPC workers. LLAMA_CPP_BIN is its program folder.

Its links are not encrypted and its results are not signed. llama-bench measures one stream
(decoding from an empty context), llama-batched-bench several.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.errors import CompetitorFailed
from benchmarks.runtime.machine import cores
from benchmarks.runtime.measurement.sample import Sample
from benchmarks.runtime.measurement.workload import Workload
from benchmarks.runtime.models.smollm2 import CACHE_FOLDER, BenchmarkModel
from benchmarks.runtime.systems.llama_cpp_output import parse_batched_bench, parse_bench

VARIABLE = "LLAMA_CPP_BIN"
SERVERS = ("ggml-rpc-server", "rpc-server")
"""The name in newer builds first."""
START_TIMEOUT_SECONDS = 20.0
RUN_TIMEOUT_SECONDS = 1800.0
WITHOUT_REPACKING = (
    "run without repacked weights, because this build crashes with them here (some machines "
    "announce AMX but do not execute it); build it without AMX for its best figures"
)


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of llama.cpp that the benchmark runs."""

    bench: Path
    batched_bench: Path
    quantize: Path
    server: Path


def find_programs(folder: str | None) -> Programs | str:
    """The programs in a folder, or why they cannot be used."""
    if not folder:
        return f"{VARIABLE} is not set"
    bin_folder = Path(folder)
    server = next((bin_folder / name for name in SERVERS if (bin_folder / name).is_file()), None)
    names = ("llama-bench", "llama-batched-bench", "llama-quantize")
    absent = [name for name in names if not (bin_folder / name).is_file()]
    absent += [] if server else [" or ".join(SERVERS)]
    if absent or server is None:
        return f"{bin_folder} has no {', '.join(absent)}"
    bench, batched_bench, quantize = (bin_folder / name for name in names)
    return Programs(bench, batched_bench, quantize, server)


def quantized(programs: Programs, gguf: Path, cache: Path = CACHE_FOLDER) -> Path:
    """The model as Q8_0, converted once. Raises `CompetitorFailed`."""
    quantized_gguf = cache.resolve() / f"{gguf.stem}.Q8_0.gguf"
    if not quantized_gguf.is_file():
        quantized_gguf.parent.mkdir(parents=True, exist_ok=True)
        unfinished = quantized_gguf.with_suffix(".unfinished")
        _run([programs.quantize, "--allow-requantize", gguf, unfinished, "Q8_0"])
        os.replace(unfinished, quantized_gguf)
    return quantized_gguf


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """A `System`.

    workers: 0 for llama.cpp in one process; otherwise RPC servers with one thread and core each.
    """

    model: BenchmarkModel
    workload: Workload
    programs: Programs | str
    workers: int
    threads: int

    @property
    def name(self) -> str:
        """RPC or unsplit, processes × threads."""
        form = "RPC" if self.workers else "unsplit"
        return f"llama.cpp {form} Q8_0 {max(1, self.workers)} × {self.threads}"

    @property
    def unavailable_reason(self) -> str | None:
        """Which file is missing; None if all are there."""
        if self.model.gguf is None:
            return "the model has no GGUF"
        return self.programs if isinstance(self.programs, str) else None

    @contextlib.contextmanager
    def start(self) -> Iterator["RunningLlamaCpp"]:
        """Starts the RPC servers, if any."""
        assert isinstance(self.programs, Programs)
        assert self.model.gguf is not None
        weights = quantized(self.programs, self.model.gguf)
        with contextlib.ExitStack() as stack:
            servers = [
                stack.enter_context(_run_server(self.programs.server, cores.cores_for(index, 1)))
                for index in range(self.workers)
            ]
            yield RunningLlamaCpp(self, weights, servers)


@dataclass(frozen=True, slots=True)
class Server:
    """An RPC worker."""

    process: int
    port: int


class RunningLlamaCpp:
    """llama.cpp with its servers running. Each sample loads the weights again."""

    def __init__(self, system: LlamaCpp, weights: Path, servers: Sequence[Server]) -> None:
        assert isinstance(system.programs, Programs)
        self._programs = system.programs
        self._system = system
        self._servers = servers
        self._unpacked = not servers and _crashes([system.programs.bench, "-m", weights])
        self._options: list[str | Path] = ["-m", weights, "-t", str(system.threads)]
        if servers:
            addresses = ",".join(f"127.0.0.1:{server.port}" for server in servers)
            self._options += ["-ngl", "99", "--rpc", addresses]

    @property
    def note(self) -> str:
        """The build, and whether it runs without repacking."""
        build = f"build {_version(self._programs.bench)}"
        return f"{build}, {WITHOUT_REPACKING}" if self._unpacked else build

    def sample(self, streams: int) -> Sample:
        """Runs the benchmark program for that many streams."""
        for server in self._servers:
            cores.reset_peak(server.process)
        sample = self._bench() if streams == 1 else self._batched_bench(streams)
        peaks = tuple(cores.peak_bytes(server.process) for server in self._servers)
        return replace(sample, peak_bytes=peaks)

    def _bench(self) -> Sample:
        work = self._system.workload
        repacking = ["--repack", "0"] if self._unpacked else []
        sizes = ["-p", str(work.prompt_tokens), "-n", str(work.new_tokens)]
        return parse_bench(
            self._run(
                [self._programs.bench, *self._options, *repacking, *sizes, "-r", "1", "-o", "json"]
            )
        )

    def _batched_bench(self, streams: int) -> Sample:
        work = self._system.workload
        context = streams * (work.prompt_tokens + work.new_tokens)
        repacking = ["--no-repack"] if self._unpacked else []
        sizes = ["-npp", str(work.prompt_tokens), "-ntg", str(work.new_tokens)]
        sizes += ["-npl", str(streams), "-c", str(context), "--output-format", "jsonl"]
        return parse_batched_bench(
            self._run([self._programs.batched_bench, *self._options, *repacking, *sizes]), streams
        )

    def _run(self, command: Sequence[str | Path]) -> str:
        """Pins the unsplit program to a core per thread; the split one only forwards, unpinned."""
        allowed = cores.usable() if self._servers else cores.cores_for(0, self._system.threads)
        with cores.pinned(allowed):
            return _run(command)


@contextlib.contextmanager
def _run_server(program: Path, allowed: Sequence[int]) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [str(program), "-H", "127.0.0.1", "-p", str(port), "-t", "1"]
    with cores.pinned(allowed):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
    try:
        _wait_for(process, port, program.name)
        yield Server(process.pid, port)
    finally:
        process.kill()
        process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", port: int, name: str) -> None:
    until = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
    raise CompetitorFailed(name, f"it does not listen on port {port}")


def _crashes(command: Sequence[str | Path]) -> bool:
    """Whether a long prompt kills it by a signal. A short one would not: AMX is for many rows."""
    tried = [str(each) for each in (*command, "-p", "256", "-n", "1", "-r", "1")]
    done = subprocess.run(tried, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode < 0


def _version(program: Path) -> str:
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).partition("\n")[0].removeprefix("version: ")


def _run(command: Sequence[str | Path]) -> str:
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            [str(each) for each in command],
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompetitorFailed(name, type(error).__name__) from None
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise CompetitorFailed(name, last or f"it ended with {done.returncode}")
    return done.stdout

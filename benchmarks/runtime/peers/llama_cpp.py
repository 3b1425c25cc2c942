# SPDX-License-Identifier: Apache-2.0
"""llama.cpp, unsplit and split over two RPC workers, where LLAMA_CPP_BIN names a folder with its
programs.

Its links are not encrypted and nobody signs what was computed. One stream is measured by
llama-bench (which decodes from an empty context), several by llama-batched-bench.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.errors import PeerFailed
from benchmarks.runtime.machine import cores
from benchmarks.runtime.models.smollm2 import KEPT, BenchmarkModel
from benchmarks.runtime.peers.llama_cpp_output import parse_batched_bench, parse_bench
from benchmarks.runtime.sample import Sample
from benchmarks.runtime.workload import Workload

VARIABLE = "LLAMA_CPP_BIN"
SERVERS = ("ggml-rpc-server", "rpc-server")
"""Newer builds' name first."""
STARTING_SECONDS = 20.0
LONGEST_SECONDS = 1800.0
WITHOUT_REPACKING = (
    "run without repacked weights, because with them this build crashes here (some machines name "
    "AMX and do not execute it); build it without AMX for its best figures"
)


@dataclass(frozen=True, slots=True)
class Programs:
    """Those that we call."""

    bench: Path
    batched_bench: Path
    quantize: Path
    server: Path


def find_programs(folder: str | None) -> Programs | str:
    """Or why there are none."""
    if not folder:
        return f"{VARIABLE} is not set"
    place = Path(folder)
    server = next((place / name for name in SERVERS if (place / name).is_file()), None)
    names = ("llama-bench", "llama-batched-bench", "llama-quantize")
    absent = [name for name in names if not (place / name).is_file()]
    absent += [] if server else [" or ".join(SERVERS)]
    if absent or server is None:
        return f"{place} has no {', '.join(absent)}"
    bench, batched_bench, quantize = (place / name for name in names)
    return Programs(bench, batched_bench, quantize, server)


def quantized(programs: Programs, gguf: Path, kept: Path = KEPT) -> Path:
    """The model as Q8_0, made once. Raises `PeerFailed`."""
    made = kept.resolve() / f"{gguf.stem}.Q8_0.gguf"
    if not made.is_file():
        made.parent.mkdir(parents=True, exist_ok=True)
        unfinished = made.with_suffix(".unfinished")
        _run([programs.quantize, "--allow-requantize", gguf, unfinished, "Q8_0"])
        os.replace(unfinished, made)
    return made


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """A `System`. workers: 0 is llama.cpp in one process; otherwise each is an RPC server with one
    thread and a core of its own.
    """

    model: BenchmarkModel
    workload: Workload
    programs: Programs | str
    workers: int
    threads: int

    @property
    def name(self) -> str:
        form = "RPC" if self.workers else "unsplit"
        return f"llama.cpp {form} Q8_0 {max(1, self.workers)} × {self.threads}"

    @property
    def missing(self) -> str | None:
        if self.model.gguf is None:
            return "the model has no GGUF"
        return self.programs if isinstance(self.programs, str) else None

    @contextlib.contextmanager
    def open(self) -> Iterator["RunningLlamaCpp"]:
        assert isinstance(self.programs, Programs)
        assert self.model.gguf is not None
        weights = quantized(self.programs, self.model.gguf)
        with contextlib.ExitStack() as stack:
            servers = [
                stack.enter_context(_serving(self.programs.server, cores.share(index, 1)))
                for index in range(self.workers)
            ]
            yield RunningLlamaCpp(self, weights, servers)


@dataclass(frozen=True, slots=True)
class Server:
    """An RPC worker."""

    process: int
    port: int


class RunningLlamaCpp:
    """Its servers, if any, are up; the weights are loaded for each sample anew."""

    def __init__(self, system: LlamaCpp, weights: Path, servers: Sequence[Server]) -> None:
        assert isinstance(system.programs, Programs)
        self._programs = system.programs
        self._system = system
        self._servers = servers
        self._plain = not servers and _crashes([system.programs.bench, "-m", weights])
        self._options: list[str | Path] = ["-m", weights, "-t", str(system.threads)]
        if servers:
            addresses = ",".join(f"127.0.0.1:{server.port}" for server in servers)
            self._options += ["-ngl", "99", "--rpc", addresses]

    @property
    def note(self) -> str:
        build = f"build {_version(self._programs.bench)}"
        return f"{build}, {WITHOUT_REPACKING}" if self._plain else build

    def sample(self, streams: int) -> Sample:
        for server in self._servers:
            cores.forget_peak(server.process)
        sample = self._one() if streams == 1 else self._several(streams)
        peaks = tuple(cores.peak_bytes(server.process) for server in self._servers)
        return replace(sample, peak_bytes=peaks)

    def _one(self) -> Sample:
        work = self._system.workload
        plain = ["--repack", "0"] if self._plain else []
        sizes = ["-p", str(work.prompt_tokens), "-n", str(work.new_tokens)]
        return parse_bench(
            self._run(
                [self._programs.bench, *self._options, *plain, *sizes, "-r", "1", "-o", "json"]
            )
        )

    def _several(self, streams: int) -> Sample:
        work = self._system.workload
        context = streams * (work.prompt_tokens + work.new_tokens)
        plain = ["--no-repack"] if self._plain else []
        sizes = ["-npp", str(work.prompt_tokens), "-ntg", str(work.new_tokens)]
        sizes += ["-npl", str(streams), "-c", str(context), "--output-format", "jsonl"]
        return parse_batched_bench(
            self._run([self._programs.batched_bench, *self._options, *plain, *sizes]), streams
        )

    def _run(self, command: Sequence[str | Path]) -> str:
        """Unsplit, it computes on as many cores as it has threads; split, it only hands on."""
        place = cores.usable() if self._servers else cores.share(0, self._system.threads)
        with cores.pinned(place):
            return _run(command)


@contextlib.contextmanager
def _serving(program: Path, place: Sequence[int]) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [str(program), "-H", "127.0.0.1", "-p", str(port), "-t", "1"]
    with cores.pinned(place):
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
    until = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
    raise PeerFailed(name, f"it did not listen at port {port}")


def _crashes(command: Sequence[str | Path]) -> bool:
    """Whether a prompt ends it by a signal. A short one would not tell: AMX is for many rows."""
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
            timeout=LONGEST_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerFailed(name, type(error).__name__) from None
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise PeerFailed(name, last or f"it ended with {done.returncode}")
    return done.stdout

# SPDX-License-Identifier: Apache-2.0
"""Tokens per second of the native step, and its share of what the memory allows.

Everything is measured by turns in one run, because such machines change their speed by the minute:
compare the shares, not the seconds.
"""

import ctypes
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.runtime.engine.native_model import NativeModel
from shard_runtime.backends.native import NativeSpan, load_library
from shard_runtime.backends.native.memory import Pages

ROWS = (1, 2, 4, 8)
PROMPT, CHUNK, DECODED = 256, 64, 128


@dataclass(frozen=True, slots=True)
class StepSpeed:
    """Medians, with the pool's threads. Decoding: from position 256 to 384, head included."""

    threads: int
    instructions: str
    prefill_tokens_per_second: float
    decode_tokens_per_second: dict[int, float]
    """By the number of runs computed together."""
    read_seconds: float
    """A streaming read of as many bytes as the weights have, one thread."""
    limit_share: float
    """read_seconds / seconds of a step of one row. Above 1: the step asks the memory for more at
    once than a plain read does."""


def measure(model: NativeModel, threads: int, instructions: str) -> StepSpeed:
    """About ten seconds for 135 million parameters."""
    generator = torch.Generator().manual_seed(1)
    vocabulary = model.embedding.matrix.rows
    prompt = tuple(torch.randint(0, vocabulary, (PROMPT,), generator=generator).tolist())
    prefills: list[float] = []
    caches = []
    for _ in range(max(ROWS)):
        caches.append(model.layers.allocate_cache(PROMPT + DECODED))
        prefills.append(_seconds(lambda: _prefill(model, prompt, caches[-1])))
    steps: dict[int, list[float]] = {rows: [] for rows in ROWS}
    reads: list[float] = []
    read = _reader(model.bytes_per_step)
    for position in range(PROMPT, PROMPT + DECODED):
        reads.append(read())
        for rows in ROWS:
            spans = [NativeSpan(cache, position, 1) for cache in caches[:rows]]
            steps[rows].append(_seconds(partial(_decode, model, prompt, spans)))
    medians = {rows: statistics.median(seconds) for rows, seconds in steps.items()}
    return StepSpeed(
        threads=threads,
        instructions=instructions,
        prefill_tokens_per_second=PROMPT / statistics.median(prefills),
        decode_tokens_per_second={rows: rows / seconds for rows, seconds in medians.items()},
        read_seconds=statistics.median(reads),
        limit_share=statistics.median(reads) / medians[1],
    )


def _prefill(model: NativeModel, prompt: Sequence[int], cache: object) -> None:
    for first in range(0, len(prompt), CHUNK):
        hidden = model.hidden(tuple(prompt[first : first + CHUNK]), cache, first)  # type: ignore[arg-type]
    model.head.logits(hidden[-1:])


def _decode(model: NativeModel, prompt: Sequence[int], spans: list[NativeSpan]) -> None:
    hidden = model.embedding.rows(prompt[: len(spans)])
    model.head.logits(model.layers.forward(hidden, spans))


def _reader(size: int) -> Callable[[], float]:
    """Reads `size` bytes that nothing else uses, in one thread, as fast as we know how to."""
    pages = Pages(size)
    ctypes.memset(pages.address, 1, size)
    read = load_library().calls.teetee_read
    return lambda: _seconds(lambda: read(pages.address, size // 8))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began

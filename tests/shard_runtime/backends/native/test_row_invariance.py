# SPDX-License-Identifier: Apache-2.0
"""The bits of a row depend only on the positions of its own run.

given several runs of any family, in either precision, with any instruction set
    when their rows are computed together, in pieces of any size, by any number of threads
        each row should get the same bits as alone, one position at a time
    when a step has more rows than one pass
        it should give the same bits
given the same weights
    when another instruction set computes them
        it should give the same bits, so that a run may move to another machine
"""

from collections.abc import Iterator
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shard_runtime.backends.native import (
    NativeHead,
    NativeLayers,
    NativeSpan,
    Precision,
    pack_matrix,
)
from shard_runtime.backends.native.thread_pool import ThreadPool
from tests.shard_runtime.backends.native.random_layers import (
    FAMILIES,
    LLAMA,
    alone,
    layers_of,
    prompt_of,
)

RUNS, LENGTH = 3, 37

any_batches = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=settings.default.max_examples // 16,
)


@cache
def layers_for(family: str, precision: Precision, threads: int, instructions: str) -> NativeLayers:
    return layers_of(FAMILIES[family], precision, threads=threads, instructions=instructions)


@cache
def prompts(family: str) -> list[torch.Tensor]:
    return [prompt_of(FAMILIES[family], LENGTH, seed) for seed in range(RUNS)]


@cache
def expected(family: str, precision: Precision, instructions: str) -> list[torch.Tensor]:
    layers = layers_for(family, precision, 1, instructions)
    return [alone(layers, prompt) for prompt in prompts(family)]


def steps(data: st.DataObject) -> Iterator[list[tuple[int, int, int]]]:
    """Yields the (run, first, rows) of each step until all runs are complete."""
    done = [0] * RUNS
    while min(done) < LENGTH:
        waiting = [run for run in range(RUNS) if done[run] < LENGTH]
        chosen = data.draw(st.permutations(waiting))[: data.draw(st.integers(1, len(waiting)))]
        step = []
        for run in chosen:
            rows = data.draw(st.integers(1, min(20, LENGTH - done[run])))
            step.append((run, done[run], rows))
            done[run] += rows
        yield step


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("precision", list(Precision), ids=lambda each: each.name.lower())
@pytest.mark.parametrize("family", FAMILIES)
@any_batches
@given(data=st.data())
def test_forward__rows_of_several_runs_in_any_pieces__give_the_same_bits_as_alone(
    instructions: str, family: str, precision: Precision, threads: int, data: st.DataObject
) -> None:
    layers = layers_for(family, precision, threads, instructions)
    caches = [layers.allocate_cache(LENGTH) for _ in range(RUNS)]
    found: list[list[torch.Tensor]] = [[] for _ in range(RUNS)]
    for step in steps(data):
        hidden = torch.cat([prompts(family)[run][at : at + rows] for run, at, rows in step])
        spans = [NativeSpan(caches[run], at, rows) for run, at, rows in step]
        pieces = layers.forward(hidden, spans).split([rows for _, _, rows in step])
        for (run, _, _), piece in zip(step, pieces, strict=True):
            found[run].append(piece)
    for run, rows in enumerate(expected(family, precision, instructions)):
        assert torch.equal(torch.cat(found[run]), rows)


@pytest.mark.parametrize("precision", list(Precision), ids=lambda each: each.name.lower())
@pytest.mark.parametrize("family", FAMILIES)
def test_forward__any_instruction_set__gives_the_same_bits(
    instructions: str, family: str, precision: Precision
) -> None:
    theirs = expected(family, precision, "portable")
    for actual, plain in zip(expected(family, precision, instructions), theirs, strict=True):
        assert torch.equal(actual, plain)


@pytest.mark.parametrize("precision", list(Precision), ids=lambda each: each.name.lower())
def test_forward__more_rows_than_one_pass__gives_the_same_bits(precision: Precision) -> None:
    layers = layers_of(LLAMA, precision)
    lengths = [100, 1, 150, 20]
    inputs = [prompt_of(LLAMA, rows, seed) for seed, rows in enumerate(lengths)]
    spans = [NativeSpan(layers.allocate_cache(rows), 0, rows) for rows in lengths]
    together = layers.forward(torch.cat(inputs), spans).split(lengths)
    for actual, rows in zip(together, inputs, strict=True):
        assert torch.equal(actual, alone(layers, rows))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("precision", list(Precision), ids=lambda each: each.name.lower())
def test_logits__many_rows__give_the_same_bits_as_alone(
    instructions: str, precision: Precision, threads: int
) -> None:
    thread_pool = ThreadPool(threads=threads, instructions=instructions)
    matrix = pack_matrix(prompt_of(LLAMA, 99, 7), precision=precision)
    head = NativeHead(torch.ones(72), matrix, norm_epsilon=1e-5, thread_pool=thread_pool)
    hidden = prompt_of(LLAMA, 131, 8)
    single = torch.cat([head.logits(row[None]) for row in hidden])
    assert torch.equal(head.logits(hidden), single)
    plain = NativeHead(
        torch.ones(72), matrix, norm_epsilon=1e-5, thread_pool=ThreadPool(instructions="portable")
    )
    assert torch.equal(plain.logits(hidden), single)

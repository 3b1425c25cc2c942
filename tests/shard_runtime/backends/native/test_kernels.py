# SPDX-License-Identifier: Apache-2.0
"""Kernels against float64, within the bound of their rounding errors.

given inputs of any size, including odd ones
    when a kernel of any instruction set runs
        it should differ from float64 by no more than its roundings allow
        it should return the same bits as the portable kernel
given a matrix of any shape
    when it is packed as float32
        it should store every number exactly
    when it is packed as int8
        it should store every number to half a step of its group
        it should store groups of Q8_0 without loss
"""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shard_runtime.backends.native import NativeMatrix, Precision, pack_matrix
from shard_runtime.backends.native.layout import INT8_GROUP
from tests.shard_runtime.backends.native import kernels
from tests.shard_runtime.backends.native.kernels import EPSILON, random

sizes = st.integers(1, 200)
seeds = st.integers(0, 1 << 30)
scales = st.sampled_from([1e-3, 1.0, 30.0])

any_shape = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)


def assert_within(found: torch.Tensor, exact: torch.Tensor, bound: torch.Tensor) -> None:
    """Elementwise. 1e-37 allows for underflow in float32."""
    assert bool(((found.double() - exact).abs() <= bound + 1e-37).all())


@any_shape
@given(n=sizes, seed=seeds, scale=scales)
def test_rms_norm__any_size__is_near_float64(
    instructions: str, n: int, seed: int, scale: float
) -> None:
    x, weight = random(n, seed=seed, scale=scale), random(n, seed=seed + 1)
    found = kernels.rms_norm(instructions, x, weight, 1e-5)
    wide = x.double()
    exact = weight.double() * wide / (wide.pow(2).mean() + float(torch.tensor(1e-5))).sqrt()
    assert_within(found, exact, (n / 16 + 12) * EPSILON * exact.abs())
    assert torch.equal(found, kernels.rms_norm("portable", x, weight, 1e-5))


@any_shape
@given(n=sizes, seed=seeds, scale=scales)
def test_silu__any_size__is_near_float64(
    instructions: str, n: int, seed: int, scale: float
) -> None:
    gate, up = random(n, seed=seed, scale=scale), random(n, seed=seed + 1)
    found = kernels.silu(instructions, gate, up)
    exact = torch.nn.functional.silu(gate.double()) * up.double()
    # Below -87 the result is zero or limited by e^87.
    assert_within(found, exact, 12 * EPSILON * exact.abs() + 1e-34)
    assert torch.equal(found, kernels.silu("portable", gate, up))


@any_shape
@given(half=st.integers(1, 80), seed=seeds)
def test_rope__any_head_size__is_near_float64(instructions: str, half: int, seed: int) -> None:
    head, angles = random(2 * half, seed=seed), random(half, seed=seed + 1, scale=100)
    cosines, sines = angles.cos(), angles.sin()
    found = kernels.rope(instructions, head, cosines, sines)
    first, second = head.double().chunk(2)
    c, s = cosines.double(), sines.double()
    exact = torch.cat((first * c - second * s, second * c + first * s))
    size = (first.abs() + second.abs()).repeat(2)
    assert_within(found, exact, 3 * EPSILON * size)
    assert torch.equal(found, kernels.rope("portable", head, cosines, sines))


@any_shape
@given(n=sizes, seed=seeds, scale=scales, zeros=st.booleans())
def test_quantize__any_row__is_half_a_step_off(
    instructions: str, n: int, seed: int, scale: float, zeros: bool
) -> None:
    x = random(n, seed=seed, scale=scale)
    if zeros:
        x[:40] = 0
    found = kernels.quantize(instructions, x)
    step = found.scales.repeat_interleave(INT8_GROUP)[:n].double()
    assert_within(found.values(n), x.double(), step * (0.5 + 256 * EPSILON))
    assert int(found.numbers.abs().max()) <= 127
    assert not found.numbers[n:].any()
    plain = kernels.quantize("portable", x)
    assert torch.equal(found.numbers, plain.numbers)
    assert torch.equal(found.scales, plain.scales)
    if instructions == "avx512":  # weights are stored plus 128 there
        sums = found.numbers.view(-1, INT8_GROUP).sum(1, dtype=torch.int32)
        assert torch.equal(found.corrections, -128 * sums)


@any_shape
@given(
    rows=st.integers(1, 11),
    outputs=st.integers(1, 100),
    columns=sizes,
    seed=seeds,
    bias=st.booleans(),
    adds=st.booleans(),
)
def test_multiply__float32__is_near_float64(
    instructions: str, rows: int, outputs: int, columns: int, seed: int, bias: bool, adds: bool
) -> None:
    x, weight = random(rows, columns, seed=seed), random(outputs, columns, seed=seed + 1)
    offset = random(outputs, seed=seed + 2) if bias else None
    before = random(rows, outputs, seed=seed + 3) if adds else None
    matrix = pack_matrix(weight, offset, precision=Precision.FLOAT32)
    found = kernels.multiply(instructions, matrix, x, before)
    exact, size = x.double() @ weight.double().T, x.double().abs() @ weight.double().abs().T
    for more in (offset, before):
        if more is not None:
            exact, size = exact + more.double(), size + more.double().abs()
    assert_within(found, exact, (columns + 2) * EPSILON * size)
    assert torch.equal(found, kernels.multiply("portable", matrix, x, before))


@any_shape
@given(rows=st.integers(1, 11), outputs=st.integers(1, 100), columns=sizes, seed=seeds)
def test_multiply__int8__is_the_product_of_the_quantised_values(
    instructions: str, rows: int, outputs: int, columns: int, seed: int
) -> None:
    x, weight = random(rows, columns, seed=seed), random(outputs, columns, seed=seed + 1)
    offset = random(outputs, seed=seed + 2)
    matrix = pack_matrix(weight, offset, precision=Precision.INT8)
    found = kernels.multiply(instructions, matrix, x)
    left = torch.stack([kernels.quantize(instructions, row).values(columns) for row in x])
    right = matrix.get_rows(range(outputs)).double()
    size = left.abs() @ right.abs().T + offset.double().abs()
    # Sums within a group are exact; each group adds three roundings.
    bound = (math.ceil(columns / INT8_GROUP) + 4) * EPSILON * size
    assert_within(found, left @ right.T + offset.double(), bound)
    assert torch.equal(found, kernels.multiply("portable", matrix, x))


@any_shape
@given(
    size=st.integers(1, 70),
    positions=st.integers(1, 150),
    count=st.integers(1, 4),
    seed=seeds,
    precision=st.sampled_from(Precision),
    data=st.data(),
)
def test_attend__any_windows__is_near_float64(
    instructions: str,
    size: int,
    positions: int,
    count: int,
    seed: int,
    precision: Precision,
    data: st.DataObject,
) -> None:
    queries = random(count, size, seed=seed, scale=2)
    keys, values = random(positions, size, seed=seed + 1), random(positions, size, seed=seed + 2)
    seen = []
    for _ in range(count):
        first = data.draw(st.integers(0, positions - 1))
        seen.append((first, data.draw(st.integers(first + 1, positions))))
    found = kernels.attend(instructions, precision, queries, keys, values, seen)
    if precision is Precision.INT8:
        keys, values = keys.half().float(), values.half().float()
    for query, (first, end), actual in zip(queries, seen, found, strict=True):
        scores = keys[first:end].double() @ query.double() / math.sqrt(size)
        exact = scores.softmax(0) @ values[first:end].double()
        # A score is off by about D + 3 roundings of sums up to 10, a relative error of e^x.
        bound = (10 * (size + 3) + positions) * EPSILON * values.double().abs().max()
        assert_within(actual, exact, bound.expand(size))
    plain = kernels.attend("portable", precision, queries, keys, values, seen)
    assert torch.equal(found, plain)


@any_shape
@given(count=st.integers(1, 4), positions=st.integers(40, 80), alone=st.integers(0, 3), seed=seeds)
def test_attend__beside_other_queries__gives_the_same_bits_as_alone(
    instructions: str, count: int, positions: int, alone: int, seed: int
) -> None:
    alone %= count
    queries, keys = random(count, 24, seed=seed), random(positions, 24, seed=seed + 1)
    values = random(positions, 24, seed=seed + 2)
    seen = [(3 * query, positions - 5 * query) for query in range(count)]
    together = kernels.attend(instructions, Precision.INT8, queries, keys, values, seen)
    single = kernels.attend(
        instructions,
        Precision.INT8,
        queries[alone : alone + 1].clone(),
        keys,
        values,
        [seen[alone]],
    )
    assert torch.equal(together[alone], single[0])


@any_shape
@given(outputs=st.integers(1, 70), columns=st.integers(1, 100), seed=seeds)
def test_put_rows__float32__are_stored_exactly(outputs: int, columns: int, seed: int) -> None:
    weight = random(outputs, columns, seed=seed)
    matrix = pack_matrix(weight, precision=Precision.FLOAT32)
    assert torch.equal(matrix.get_rows(range(outputs)), weight)


@any_shape
@given(outputs=st.integers(1, 70), columns=st.integers(1, 100), seed=seeds, scale=scales)
def test_put_rows__int8_in_pieces__are_half_a_step_off(
    outputs: int, columns: int, seed: int, scale: float
) -> None:
    weight = random(outputs, columns, seed=seed, scale=scale)
    matrix = NativeMatrix(outputs, columns, precision=Precision.INT8)
    for first in range(0, outputs, 7):
        matrix.put_rows(first, weight[first : first + 7])
    stored = matrix.get_rows(range(outputs))
    padded = torch.nn.functional.pad(weight, (0, -columns % INT8_GROUP))
    largest = (
        padded.view(outputs, -1, INT8_GROUP)
        .abs()
        .amax(-1)
        .repeat_interleave(INT8_GROUP, 1)[:, :columns]
    )
    # The scale is rounded up to float16: by up to 2⁻¹⁰ of it, below 2⁻¹⁴ by up to 2⁻²⁴.
    step = largest.double() / 127 * (1 + 2.0**-9) + 2.0**-24
    assert_within(stored, weight.double(), 0.5 * step)
    assert torch.equal(
        stored, pack_matrix(weight, precision=Precision.INT8).get_rows(range(outputs))
    )


def test_put_rows__weights_of_q8_0__lose_nothing() -> None:
    scale = (random(5, 4).abs() * 0.01).half().float()
    numbers = torch.randint(-127, 128, (5, 4, 32), generator=torch.Generator().manual_seed(1))
    numbers[..., 0] = 127  # as in every group that Q8_0 quantises
    weight = (numbers * scale[..., None]).flatten(1)
    matrix = pack_matrix(weight, precision=Precision.INT8)
    assert torch.equal(matrix.get_rows(range(5)), weight)


@pytest.mark.parametrize("number", [0.0, 1e-9, 6e4 * 127])
def test_put_rows__extreme_groups__stay_finite(number: float) -> None:
    matrix = pack_matrix(torch.full((1, 40), number), precision=Precision.INT8)
    stored = matrix.get_rows([0])
    assert_within(stored, torch.full((1, 40), number).double(), torch.tensor(number * 1e-3 + 2e-8))

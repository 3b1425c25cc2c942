# SPDX-License-Identifier: Apache-2.0
"""Calls single kernels of one instruction set with torch tensors."""

import ctypes
from dataclasses import dataclass

import torch

from shard_runtime.backends.native import NativeMatrix, Precision, load_library
from shard_runtime.backends.native.layout import INT8_GROUP, LANES, POSITIONS, round_up
from shard_runtime.backends.native.memory import Pages

EPSILON = 2.0**-24
"""The relative error of one float32 rounding: half the distance between neighbours at 1."""


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) * scale


def _call(name: str, instructions: str, *arguments: object) -> int | None:
    library = load_library()
    function = getattr(library.calls, f"teetee_{name}")
    plain = [value.data_ptr() if isinstance(value, torch.Tensor) else value for value in arguments]
    result: int | None = function(library.index_of(instructions), *plain)
    return result


def rms_norm(
    instructions: str, x: torch.Tensor, weight: torch.Tensor, epsilon: float
) -> torch.Tensor:
    out = torch.empty_like(x)
    _call("rms_norm", instructions, x, weight, epsilon, len(x), out)
    return out


def silu(instructions: str, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(gate)
    _call("silu", instructions, gate, up, len(gate), out)
    return out


def rope(
    instructions: str, head: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor
) -> torch.Tensor:
    out = head.clone()
    _call("rope", instructions, out, cosines, sines, len(cosines))
    return out


@dataclass(frozen=True)
class Quantized:
    numbers: torch.Tensor
    scales: torch.Tensor
    corrections: torch.Tensor

    def values(self, n: int) -> torch.Tensor:
        """The `n` dequantised numbers, float64."""
        groups = self.numbers.view(-1, INT8_GROUP).double() * self.scales[:, None].double()
        return groups.flatten()[:n]


def quantize(instructions: str, x: torch.Tensor) -> Quantized:
    groups = round_up(len(x), INT8_GROUP) // INT8_GROUP
    found = Quantized(
        torch.empty(groups * INT8_GROUP, dtype=torch.int8),
        torch.empty(groups),
        torch.empty(groups, dtype=torch.int32),
    )
    arguments = (x, len(x), found.numbers, found.scales, found.corrections)
    _call("quantize", instructions, *arguments)
    return found


def multiply(
    instructions: str, matrix: NativeMatrix, x: torch.Tensor, before: torch.Tensor | None = None
) -> torch.Tensor:
    """x (R, columns) → (R, rows), plus `before` if given."""
    out = torch.full((len(x), matrix.rows), float("nan")) if before is None else before.clone()
    view = ctypes.addressof(matrix.view)
    failed = _call("multiply", instructions, view, x, len(x), out, before is not None)
    assert failed == 0
    return out


class _Attention(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_int64),
        ("positions", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("precision", ctypes.c_int32),
        ("unused", ctypes.c_int32),
        ("queries", ctypes.c_void_p),
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("firsts", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        ("cache", ctypes.c_void_p),
        ("scores", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
    )


def attend(
    instructions: str,
    precision: Precision,
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    seen: list[tuple[int, int]],
) -> torch.Tensor:
    """Queries (Q, D) attend to positions [first, end) of keys and values (T, D) → (Q, D)."""
    (count, size), positions = queries.shape, len(keys)
    rounded = round_up(positions, POSITIONS)
    pages = Pages(rounded * (size + round_up(size, LANES)) * precision.cache_item_bytes)
    # Poisoned, so that reading an unwritten position changes the result.
    ctypes.memset(pages.address, 0xFF, pages.size)
    firsts, ends = (torch.tensor(each) for each in zip(*seen, strict=True))
    scores, out = torch.full((count, rounded), float("nan")), torch.empty(count, size)
    case = _Attention(
        size, positions, count, precision, 0, queries.data_ptr(), keys.data_ptr(),
        values.data_ptr(), firsts.data_ptr(), ends.data_ptr(), pages.address, scores.data_ptr(),
        out.data_ptr(),
    )  # fmt: skip
    _call("attend", instructions, ctypes.addressof(case))
    return out

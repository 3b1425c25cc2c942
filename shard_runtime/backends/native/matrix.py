# SPDX-License-Identifier: Apache-2.0
"""A weight matrix packed for the kernels.

int8: each group of inputs of an output (`layout.INT8_GROUP`) shares a float16 scale, rounded up so
that 127 steps reach the largest number. Repacking GGUF's Q8_0 is lossless.
"""

import ctypes
from collections.abc import Sequence

import torch

from shard_runtime.backends.native.errors import NativeInputInvalid
from shard_runtime.backends.native.layout import Precision
from shard_runtime.backends.native.memory import WeightPages, require_float32
from shard_runtime.backends.native.shared_library import Library, load_library
from shard_runtime.backends.native.views import MatrixView


class NativeMatrix:
    """(rows, columns) in torch's order: `rows` outputs. Zero until rows are written."""

    def __init__(self, rows: int, columns: int, *, precision: Precision) -> None:
        if rows < 1 or columns < 1:
            raise NativeInputInvalid("a matrix", (rows, columns), "at least one row and column")
        self._library: Library = load_library()
        calls = self._library.calls
        self._pages = WeightPages(calls.teetee_matrix_bytes(rows, columns, precision))
        self._bias: torch.Tensor | None = None
        self.rows, self.columns, self.precision = rows, columns, precision
        self.view = MatrixView(self._pages.address, None, rows, columns, precision, 0)
        calls.teetee_matrix_clear(ctypes.byref(self.view))

    @property
    def size_bytes(self) -> int:
        """Its size in memory, which a step of few rows reads once."""
        return self._pages.size

    def put_rows(self, first: int, numbers: torch.Tensor) -> None:
        """Writes rows from `first` on, (count, columns) float32."""
        count = numbers.shape[0] if numbers.dim() == 2 else 0
        if not 0 <= first < first + count <= self.rows:
            raise NativeInputInvalid("rows", f"[{first}, {first + count})", f"within {self.rows}")
        numbers = require_float32("rows", numbers, (count, self.columns))
        if self._library.calls.teetee_matrix_put(
            ctypes.byref(self.view), first, count, numbers.data_ptr()
        ):
            raise NativeInputInvalid(
                "rows", "a number is not finite or too large for a float16 scale", "numbers"
            )

    def set_bias(self, bias: torch.Tensor | None) -> None:
        """Sets the bias, (rows,) float32, which is added to every product."""
        self._bias = None if bias is None else require_float32("a bias", bias, (self.rows,)).clone()
        self.view.bias = None if self._bias is None else self._bias.data_ptr()

    def get_rows(self, rows: Sequence[int]) -> torch.Tensor:
        """Reads the rows of these indices back: (R, columns) float32."""
        if rows and (min(rows) < 0 or max(rows) >= self.rows):
            raise NativeInputInvalid("row indices", "one is out of range", f"[0, {self.rows})")
        indices = (ctypes.c_int64 * len(rows))(*rows)
        numbers = torch.empty(len(rows), self.columns)
        self._library.calls.teetee_matrix_get(
            ctypes.byref(self.view), ctypes.addressof(indices), len(rows), numbers.data_ptr()
        )
        return numbers


def pack_matrix(
    weight: torch.Tensor, bias: torch.Tensor | None = None, *, precision: Precision
) -> NativeMatrix:
    """Packs a whole matrix, (rows, columns) float32."""
    if weight.dim() != 2:
        raise NativeInputInvalid("a matrix", f"{weight.dim()} dimensions", 2)
    matrix = NativeMatrix(*weight.shape, precision=precision)
    matrix.put_rows(0, weight)
    matrix.set_bias(bias)
    return matrix

# SPDX-License-Identifier: Apache-2.0
"""A weight matrix, packed for the kernels.

int8: each 32 inputs of an output share a float16 scale, rounded up so that 127 steps reach the
largest. About 34/32 bytes per weight. A matrix that came from GGUF's Q8_0 loses nothing.
"""

import ctypes
from collections.abc import Sequence

import torch

from shard_runtime.backends.native.errors import NativeRefused
from shard_runtime.backends.native.memory import WeightPages, checked
from shard_runtime.backends.native.shared_library import Library, load_library
from shard_runtime.backends.native.views import MatrixView, Precision


class NativeMatrix:
    """(rows, columns) as torch has it: `rows` outputs. Zero until rows are put."""

    def __init__(self, rows: int, columns: int, *, precision: Precision) -> None:
        if rows < 1 or columns < 1:
            raise NativeRefused("a matrix", (rows, columns), "at least one row and column")
        self._library: Library = load_library()
        calls = self._library.calls
        self._pages = WeightPages(calls.teetee_matrix_bytes(rows, columns, precision))
        self._bias: torch.Tensor | None = None
        self.rows, self.columns, self.precision = rows, columns, precision
        self.view = MatrixView(self._pages.address, None, rows, columns, precision, 0)
        calls.teetee_matrix_clear(ctypes.byref(self.view))

    @property
    def bytes(self) -> int:
        """What it takes, and what a step of few rows reads."""
        return self._pages.size

    def put(self, first: int, numbers: torch.Tensor) -> None:
        """Rows from `first` on, (count, columns) float32. In pieces of any number of rows."""
        count = numbers.shape[0] if numbers.dim() == 2 else 0
        if not 0 <= first < first + count <= self.rows:
            raise NativeRefused("rows", f"[{first}, {first + count})", f"within {self.rows}")
        numbers = checked("rows", numbers, (count, self.columns))
        if self._library.calls.teetee_matrix_put(
            ctypes.byref(self.view), first, count, numbers.data_ptr()
        ):
            raise NativeRefused("rows", "one has a number that is not finite", "a float16 scale")

    def put_bias(self, bias: torch.Tensor | None) -> None:
        """(rows,) float32, added to every product."""
        self._bias = None if bias is None else checked("a bias", bias, (self.rows,)).clone()
        self.view.bias = None if self._bias is None else self._bias.data_ptr()

    def get(self, rows: Sequence[int]) -> torch.Tensor:
        """What it holds of the rows of these numbers: (R, columns) float32."""
        if rows and (min(rows) < 0 or max(rows) >= self.rows):
            raise NativeRefused("row numbers", "one is beyond the matrix", f"[0, {self.rows})")
        wanted = (ctypes.c_int64 * len(rows))(*rows)
        numbers = torch.empty(len(rows), self.columns)
        self._library.calls.teetee_matrix_get(
            ctypes.byref(self.view), ctypes.addressof(wanted), len(rows), numbers.data_ptr()
        )
        return numbers


def packed(
    weight: torch.Tensor, bias: torch.Tensor | None = None, *, precision: Precision
) -> NativeMatrix:
    """A whole matrix at once."""
    if weight.dim() != 2:
        raise NativeRefused("a matrix", f"{weight.dim()} dimensions", 2)
    matrix = NativeMatrix(*weight.shape, precision=precision)
    matrix.put(0, weight)
    matrix.put_bias(bias)
    return matrix

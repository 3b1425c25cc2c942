# SPDX-License-Identifier: Apache-2.0
"""An entry's embedding and LM head. A tied embedding is one matrix for both."""

import ctypes
from collections.abc import Sequence

import torch

from shard_runtime.backends.native.errors import NativeInputInvalid
from shard_runtime.backends.native.matrix import NativeMatrix
from shard_runtime.backends.native.memory import require_float32
from shard_runtime.backends.native.thread_pool import ThreadPool
from shard_runtime.backends.native.views import HeadView


class NativeEmbedding:
    """Looks up rows of (V, H), at the matrix's precision."""

    def __init__(self, matrix: NativeMatrix) -> None:
        self.matrix = matrix

    def rows(self, token_ids: Sequence[int]) -> torch.Tensor:
        """(R,) → (R, H) float32. Raises `NativeInputInvalid` for a token outside the vocabulary."""
        return self.matrix.get_rows(token_ids)


class NativeHead:
    """Final norm and LM head. One call at a time."""

    def __init__(
        self,
        norm: torch.Tensor,
        matrix: NativeMatrix,
        *,
        norm_epsilon: float,
        thread_pool: ThreadPool,
    ) -> None:
        self._norm = require_float32("a norm", norm, (matrix.columns,)).clone()
        self._matrix = matrix
        self._thread_pool = thread_pool
        self._view = HeadView(self._norm.data_ptr(), matrix.view, norm_epsilon, 0)

    @property
    def weight_bytes(self) -> int:
        """The weights that one step reads."""
        return self._matrix.size_bytes

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token: (R, H) → (R, V) float32."""
        if hidden.dim() != 2:
            raise NativeInputInvalid("hidden states", f"{hidden.dim()} dimensions", 2)
        rows = hidden.shape[0]
        hidden = require_float32("hidden states", hidden, (rows, self._matrix.columns))
        logits = torch.empty(rows, self._matrix.rows)
        if self._thread_pool.calls.teetee_head(
            self._thread_pool.handle,
            ctypes.addressof(self._view),
            hidden.data_ptr(),
            rows,
            logits.data_ptr(),
        ):
            raise MemoryError("The native head could not allocate scratch memory.")
        return logits

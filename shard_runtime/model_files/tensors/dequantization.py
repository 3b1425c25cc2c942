# SPDX-License-Identifier: Apache-2.0
"""Converts stored bytes to numbers, for every weight type of safetensors and GGUF."""

from collections.abc import Callable

import numpy as np
import torch
from gguf.constants import GGMLQuantizationType
from gguf.quants import dequantize

from shard_runtime.errors import TensorInvalid
from shard_runtime.model_files.tensors.tensor_store import StoredTensor

Dequantizer = Callable[[bytearray, int], torch.Tensor]
"""(bytes, row count) → (rows, row length), in the file's float type, or float32 if quantized."""

_FLOAT_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


def dequantizer_for(tensor: StoredTensor) -> Dequantizer:
    """The function that converts this tensor's rows.

    Raises `TensorInvalid` for a type that cannot hold weights.
    """
    float_type = _FLOAT_TYPES.get(tensor.dtype)
    if float_type is not None:
        return lambda piece, rows: torch.frombuffer(piece, dtype=float_type).view(rows, -1)
    try:
        quantization = GGMLQuantizationType[tensor.dtype]
        dequantize(np.zeros((1, tensor.row_bytes), np.uint8), quantization)
    except (KeyError, NotImplementedError):
        raise TensorInvalid(
            tensor.name, f"is stored as {tensor.dtype}, which is not supported"
        ) from None
    return lambda piece, rows: torch.from_numpy(
        dequantize(np.frombuffer(piece, np.uint8).reshape(rows, -1), quantization)
    )

# SPDX-License-Identifier: Apache-2.0
"""From a file's bytes to numbers: every type that safetensors and GGUF store weights in."""

from collections.abc import Callable

import numpy as np
import torch
from gguf.constants import GGMLQuantizationType
from gguf.quants import dequantize

from shard_runtime.errors import TensorInvalid
from shard_runtime.model_files.tensors.tensor_file import StoredTensor

Decoder = Callable[[bytearray, int], torch.Tensor]
"""(bytes, rows) → (rows, row length), in the file's precision or float32."""

_PLAIN = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


def decoder(tensor: StoredTensor) -> Decoder:
    """How this tensor's rows become numbers. Raises `TensorInvalid` for a type that holds no
    weights.
    """
    plain = _PLAIN.get(tensor.dtype)
    if plain is not None:
        return lambda piece, rows: torch.frombuffer(piece, dtype=plain).view(rows, -1)
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

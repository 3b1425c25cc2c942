# SPDX-License-Identifier: Apache-2.0
"""Loads a shard with the fastest backend that this machine and the model allow."""

import logging
from enum import Enum
from typing import Final

from shard_runtime.backends.native import (
    NativeUnavailable,
    Precision,
    ThreadPool,
    load_library,
    unsupported_reason,
)
from shard_runtime.backends.native.native_shard import load_native_shard
from shard_runtime.backends.shard import Shard
from shard_runtime.backends.torch.loading import load_torch_shard
from shard_runtime.errors import PrecisionUnavailable
from shard_runtime.model_files.source import ModelSource, load_tokenizer
from shard_runtime.model_files.tokenizer.token_ids import check_token_ids
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest

_log = logging.getLogger(__name__)

_NATIVE_PRECISIONS: Final = {"int8": Precision.INT8, "float32": Precision.FLOAT32}


class Backend(Enum):
    """What computes a shard."""

    AUTO = "auto"
    """NATIVE if the library is built and supports the model and precision, otherwise TORCH."""
    NATIVE = "native"
    TORCH = "torch"


def load_shard(
    source: ModelSource,
    layers: LayerRange,
    *,
    is_entry: bool,
    manifest: ModelManifest | None = None,
    dtype: str = "float32",
    backend: Backend = Backend.AUTO,
    threads: int = 1,
    instructions: str | None = None,
) -> Shard:
    """Loads one slice.

    dtype: int8 (native only), float32, bfloat16 or float16. manifest: the published digests; every
    part is compared, and for an entry the token ids of the sample text. threads, instructions
    (portable, avx2, avx512; None: the fastest): of the native backend; torch has its own settings.
    Raises `PrecisionUnavailable`, `TensorMissing`, `TensorInvalid`, `ModelFileInvalid`,
    `DigestMismatch`, `TokenIdsDiffer`.
    """
    blocker = _native_blocker(source, dtype)
    if backend is not Backend.TORCH and blocker is None:
        shard: Shard = load_native_shard(
            source,
            layers,
            is_entry=is_entry,
            manifest=manifest,
            precision=_NATIVE_PRECISIONS[dtype],
            thread_pool=ThreadPool(threads=threads, instructions=instructions),
        )
    elif backend is Backend.NATIVE or dtype == "int8":
        raise PrecisionUnavailable(dtype, blocker or "the torch backend has no int8")
    else:
        if backend is Backend.AUTO:
            _log.info("using the torch backend", extra={"reason": blocker})
        shard = load_torch_shard(source, layers, is_entry=is_entry, manifest=manifest, dtype=dtype)
    if is_entry and manifest is not None:
        check_token_ids(load_tokenizer(source), manifest)
    return shard


def _native_blocker(source: ModelSource, dtype: str) -> str | None:
    """Why the native backend cannot compute the model; None if it can."""
    if dtype not in _NATIVE_PRECISIONS:
        return f"the native backend has no {dtype}"
    if (reason := unsupported_reason(source.architecture)) is not None:
        return reason
    try:
        load_library()
    except NativeUnavailable as error:
        return str(error)
    return None

# SPDX-License-Identifier: Apache-2.0
"""Loads a shard for the fastest way to compute it that this machine has."""

import logging
from enum import Enum
from typing import Final

from shard_runtime.backends.native import (
    NativeUnavailable,
    Precision,
    ThreadPool,
    load_library,
    unsupported,
)
from shard_runtime.backends.native.native_shard import load_native_shard
from shard_runtime.backends.shard import Shard
from shard_runtime.backends.torch.loading import load_torch_shard
from shard_runtime.errors import PrecisionUnavailable
from shard_runtime.model_files.source import ModelSource
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest

_log = logging.getLogger(__name__)

_NATIVE: Final = {"int8": Precision.INT8, "float32": Precision.FLOAT32}


class Compute(Enum):
    """Who computes."""

    AUTO = "auto"
    """The native step, where it is built and knows the model and the precision; torch otherwise."""
    NATIVE = "native"
    TORCH = "torch"


def load_shard(
    source: ModelSource,
    layers: LayerRange,
    *,
    is_entry: bool,
    manifest: ModelManifest | None = None,
    dtype: str = "float32",
    compute: Compute = Compute.AUTO,
    threads: int = 1,
) -> Shard:
    """Load one slice.

    dtype: int8 (by the native step alone), float32, bfloat16 or float16. manifest: what was
    published; every part is compared with it. threads: of the native step; torch has its own
    setting.
    Raises `PrecisionUnavailable`, `TensorMissing`, `TensorInvalid`, `ModelFileInvalid`,
    `DigestMismatch`.
    """
    obstacle = _obstacle(source, dtype)
    if compute is not Compute.TORCH and obstacle is None:
        return load_native_shard(
            source,
            layers,
            is_entry=is_entry,
            manifest=manifest,
            precision=_NATIVE[dtype],
            thread_pool=ThreadPool(threads=threads),
        )
    if compute is Compute.NATIVE or dtype == "int8":
        raise PrecisionUnavailable(dtype, obstacle or "torch has no int8 here")
    if compute is Compute.AUTO:
        _log.info("torch computes", extra={"reason": obstacle})
    return load_torch_shard(source, layers, is_entry=is_entry, manifest=manifest, dtype=dtype)


def _obstacle(source: ModelSource, dtype: str) -> str | None:
    """Why the native step cannot compute it."""
    if dtype not in _NATIVE:
        return f"the native step has no {dtype}"
    if (reason := unsupported(source.architecture)) is not None:
        return reason
    try:
        load_library()
    except NativeUnavailable as error:
        return str(error)
    return None

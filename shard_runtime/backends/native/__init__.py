# SPDX-License-Identifier: Apache-2.0
"""The native backend, fast on CPUs: a shard's layers, head and embedding in C++ through ctypes.

    thread_pool = ThreadPool(threads=1)                     # NativeUnavailable: use torch
    layers = NativeLayers(architecture, precision=Precision.INT8, thread_pool=thread_pool)
    for tensors, window in …:
        layers.pack_and_add(tensors, window)                # float32 by name; may be freed then
    cache = layers.allocate_cache(capacity)                 # layers.bytes_for(capacity) bytes
    hidden = layers.forward(hidden, [NativeSpan(cache, first, rows), …])

    matrix = NativeMatrix(V, H, precision=Precision.INT8)   # put_rows(first, rows) in pieces
    embedding = NativeEmbedding(matrix)
    head = NativeHead(norm, matrix, norm_epsilon=1e-5, thread_pool=thread_pool)
    logits = head.logits(hidden)

`unsupported_reason(architecture)` says why this backend cannot compute a model. The reasons for the
design are in docs/decisions/012-native-step.md.
"""

from shard_runtime.backends.native.cache import NativeCache, NativeSpan
from shard_runtime.backends.native.errors import NativeInputInvalid, NativeUnavailable
from shard_runtime.backends.native.head import NativeEmbedding, NativeHead
from shard_runtime.backends.native.layers import NativeLayers
from shard_runtime.backends.native.layout import Precision
from shard_runtime.backends.native.matrix import NativeMatrix, pack_matrix
from shard_runtime.backends.native.shared_library import load_library
from shard_runtime.backends.native.support import unsupported_reason
from shard_runtime.backends.native.thread_pool import ThreadPool

__all__ = [
    "NativeCache",
    "NativeEmbedding",
    "NativeHead",
    "NativeInputInvalid",
    "NativeLayers",
    "NativeMatrix",
    "NativeSpan",
    "NativeUnavailable",
    "Precision",
    "ThreadPool",
    "load_library",
    "pack_matrix",
    "unsupported_reason",
]

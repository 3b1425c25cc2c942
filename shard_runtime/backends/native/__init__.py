# SPDX-License-Identifier: Apache-2.0
"""The fast path for CPUs: a shard's layers, head and embedding in C++, behind ctypes.

    thread_pool = ThreadPool(threads=1)                     # NativeUnavailable: compute with torch
    layers = NativeLayers(architecture, precision=Precision.INT8, thread_pool=thread_pool)
    for tensors, window in …:
        layers.add_layer(tensors, window)                   # float32 by name, then free
    cache = layers.cache(capacity)                          # layers.bytes_for(capacity) bytes
    hidden = layers.forward(hidden, [NativeSpan(cache, first, rows), …])

    matrix = NativeMatrix(V, H, precision=Precision.INT8)   # put(first, rows) in pieces
    embedding = NativeEmbedding(matrix)
    head = NativeHead(norm, matrix, norm_epsilon=1e-5, thread_pool=thread_pool)
    logits = head.logits(hidden)

`unsupported(architecture)` says why a model is not computed here. docs/decisions/012-native-step.md
says why it is as it is.
"""

from shard_runtime.backends.native.cache import NativeCache, NativeSpan
from shard_runtime.backends.native.errors import NativeRefused, NativeUnavailable
from shard_runtime.backends.native.head import NativeEmbedding, NativeHead
from shard_runtime.backends.native.layers import NativeLayer, NativeLayers, pack_layer
from shard_runtime.backends.native.matrix import NativeMatrix, packed
from shard_runtime.backends.native.shared_library import load_library
from shard_runtime.backends.native.support import supports, unsupported
from shard_runtime.backends.native.thread_pool import ThreadPool
from shard_runtime.backends.native.views import Precision

__all__ = [
    "NativeCache",
    "NativeEmbedding",
    "NativeHead",
    "NativeLayer",
    "NativeLayers",
    "NativeMatrix",
    "NativeRefused",
    "NativeSpan",
    "NativeUnavailable",
    "Precision",
    "ThreadPool",
    "load_library",
    "pack_layer",
    "packed",
    "supports",
    "unsupported",
]

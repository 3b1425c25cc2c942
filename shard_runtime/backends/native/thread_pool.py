# SPDX-License-Identifier: Apache-2.0
"""The threads that compute a shard's matrices together, and their scratch memory."""

import weakref

from shard_runtime.backends.native.errors import NativeInputInvalid, NativeUnavailable
from shard_runtime.backends.native.shared_library import load_library

_MAX_THREADS = 256


class ThreadPool:
    """Shared by a shard's layers and head, one call at a time. Idle threads spin for some
    microseconds, then sleep; a pool of one thread has none.
    """

    def __init__(self, *, threads: int = 1, instructions: str | None = None) -> None:
        """instructions: portable, avx2 or avx512; None: the fastest that this CPU supports.

        Raises `NativeUnavailable`, `NativeInputInvalid`.
        """
        if not 1 <= threads <= _MAX_THREADS:
            raise NativeInputInvalid("a number of threads", threads, f"1 to {_MAX_THREADS}")
        library = load_library()
        self.calls = library.calls
        index = library.index_of(instructions)
        self.threads = threads
        self.instructions = instructions or library.instructions()[-1]
        handle = self.calls.teetee_pool_open(index, threads)
        if handle is None:
            raise NativeUnavailable(f"the system cannot start {threads} threads")
        self.handle: int = handle
        self._close = weakref.finalize(self, self.calls.teetee_pool_close, handle)

# SPDX-License-Identifier: Apache-2.0
"""The threads that compute together, and their scratch memory."""

import weakref

from shard_runtime.backends.native.errors import NativeRefused, NativeUnavailable
from shard_runtime.backends.native.shared_library import chosen_instructions, load_library

_MOST_THREADS = 256


class Crew:
    """Shared by a shard's layers and head, one call at a time. With one thread nothing waits for
    anything; with more, those that have nothing to do spin for some microseconds, then sleep.
    """

    def __init__(self, *, threads: int = 1, instructions: str | None = None) -> None:
        """instructions: portable, avx2 or avx512; None: as the environment says, or the fastest.

        Raises `NativeUnavailable`, `NativeRefused`.
        """
        if not 1 <= threads <= _MOST_THREADS:
            raise NativeRefused("a number of threads", threads, f"1 to {_MOST_THREADS}")
        library = load_library()
        self.calls = library.calls
        wanted = instructions or chosen_instructions()
        index = library.index_of(wanted)
        self.threads = threads
        self.instructions = wanted or library.instructions()[-1]
        handle = self.calls.teetee_crew_open(index, threads)
        if handle is None:
            raise NativeUnavailable(f"the system gives no {threads} threads")
        self.handle: int = handle
        self._end = weakref.finalize(self, self.calls.teetee_crew_close, handle)

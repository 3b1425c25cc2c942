# SPDX-License-Identifier: Apache-2.0
"""Loads the shared library from the one place where `make native` puts it.

No setting names another library: it would be code of the host's in the enclave. All instruction
sets give the same results, to the bit.
"""

import ctypes
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from shard_runtime.backends.native.errors import NativeUnavailable
from shard_runtime.backends.native.views import ABI

BUILT = Path(__file__).parents[3] / "build" / "native" / "libteetee_native.so"

_int, _long, _float, _pointer = ctypes.c_int32, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p

# name → result, arguments
_FUNCTIONS: Mapping[str, tuple[type | None, tuple[type, ...]]] = {
    "teetee_abi": (_int, ()),
    "teetee_instructions": (ctypes.c_char_p, (_int,)),
    "teetee_runs_here": (_int, (_int,)),
    "teetee_pool_open": (_pointer, (_int, _int)),
    "teetee_pool_close": (None, (_pointer,)),
    "teetee_busy_wait": (_int, (_pointer, _long, _long)),
    "teetee_matrix_bytes": (_long, (_long, _long, _int)),
    "teetee_matrix_clear": (None, (_pointer,)),
    "teetee_matrix_put": (_int, (_pointer, _long, _long, _pointer)),
    "teetee_matrix_get": (None, (_pointer, _pointer, _long, _pointer)),
    "teetee_layers": (_int, (_pointer, _pointer, _pointer, _long, _pointer, _long)),
    "teetee_head": (_int, (_pointer, _pointer, _pointer, _long, _pointer)),
    "teetee_rotary": (None, (_pointer, _long, _long, _long, _float, _pointer, _pointer)),
    "teetee_rms_norm": (None, (_int, _pointer, _pointer, _float, _long, _pointer)),
    "teetee_quantize": (None, (_int, _pointer, _long, _pointer, _pointer, _pointer)),
    "teetee_silu": (None, (_int, _pointer, _pointer, _long, _pointer)),
    "teetee_rope": (None, (_int, _pointer, _pointer, _pointer, _long)),
    "teetee_attend": (None, (_int, _pointer)),
    "teetee_multiply": (_int, (_int, _pointer, _pointer, _long, _pointer, _int)),
}


class Library:
    """The loaded library. Its calls release Python's global interpreter lock."""

    def __init__(self, path: Path) -> None:
        """Loads the library at `path`. Raises `NativeUnavailable`."""
        try:
            self.calls = ctypes.CDLL(str(path))
        except OSError as error:
            raise NativeUnavailable(f"{path} cannot be loaded ({error})") from error
        for name, (result, arguments) in _FUNCTIONS.items():
            try:
                function = getattr(self.calls, name)
            except AttributeError as error:
                raise NativeUnavailable(f"{path} has no {name}") from error
            function.restype, function.argtypes = result, arguments
        if (found := self.calls.teetee_abi()) != ABI:
            raise NativeUnavailable(f"{path} has version {found}; version {ABI} is required")

    def instructions(self) -> list[str]:
        """The instruction sets that the library has and this CPU supports, the slowest first."""
        return [name for index, name in enumerate(self._names()) if self._is_supported(index)]

    def index_of(self, instructions: str | None) -> int:
        """The library's index of an instruction set; None for the fastest.

        Raises `NativeUnavailable`.
        """
        usable = self.instructions()
        name = instructions or usable[-1]
        if name not in usable:
            raise NativeUnavailable(f"instruction set {name!r} is not among {usable}")
        return self._names().index(name)

    def _names(self) -> list[str]:
        names: list[str] = []
        while (name := self.calls.teetee_instructions(len(names))) is not None:
            names.append(name.decode())
        return names

    def _is_supported(self, index: int) -> bool:
        return bool(self.calls.teetee_runs_here(index))


@cache
def load_library() -> Library:
    """Loads the library once. Raises `NativeUnavailable`; the next call then tries again."""
    if not BUILT.is_file():
        raise NativeUnavailable(f"{BUILT} does not exist")
    return Library(BUILT)

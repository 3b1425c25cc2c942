# SPDX-License-Identifier: Apache-2.0
"""An enclave whose wall clock can be set while it runs, by a year or more.

    python -m tests.faults.clock FILE run …     like python -m oracle run …

The kernel has no wall clock per process, and `LD_PRELOAD` is refused. So this program replaces, in
its own memory, the code through which every library asks for the time (the kernel's vDSO), and then
becomes the oracle. Python, OpenSSL and SQLite alike see the time plus the seconds in FILE, which
the harness writes. The monotonic clock is left alone, as a clock that is set leaves it. x86-64
Linux only.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import runpy
import struct
import sys
from pathlib import Path

IS_SUPPORTED = sys.platform == "linux" and platform.machine() == "x86_64"
_JUMP_BYTES = 12
_READ_WRITE_EXECUTE = 7

# Each makes the system call, and adds the shift if the wall clock was asked for. {at}: where it is.
_CLOCK_GETTIME = "b8e4000000 0f05 85c0 7519 85ff 7405 83ff05 7510 48b8{at} 488b00 480106 31c0 c3"
_GETTIMEOFDAY = "b860000000 0f05 85c0 7515 4885ff 7410 48b9{at} 488b09 48010f 31c0 c3"
_TIME = "57 31ff b8c9000000 0f05 5f 48b9{at} 480301 4885ff 7403 488907 c3"
_REPLACED = {
    "__vdso_clock_gettime": _CLOCK_GETTIME,
    "__vdso_gettimeofday": _GETTIMEOFDAY,
    "__vdso_time": _TIME,
}


class ShiftedClock:
    """The harness's end: the shift of one process, in s."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.write_bytes(bytes(mmap.PAGESIZE))

    def set(self, seconds: int) -> None:
        """From now on, its wall clock is off by so much."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("<q", seconds))


def shift_this_process(file: Path) -> None:
    """Replace the three functions of the vDSO; the shift is read from `file` at every call."""
    with file.open("r+b") as opened:
        shared = mmap.mmap(opened.fileno(), mmap.PAGESIZE)
    shift_at = ctypes.addressof(ctypes.c_char.from_buffer(shared))
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=_READ_WRITE_EXECUTE)
    for mapping in (shared, code):  # the last code of this process still asks for the time
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(mapping))
    code_at = ctypes.addressof(ctypes.c_char.from_buffer(code))
    start, end = _vdso_range()
    symbols = _symbols(ctypes.string_at(start, end - start))
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), end - start, _READ_WRITE_EXECUTE):
        raise OSError("the vDSO cannot be changed")
    for name, text in _REPLACED.items():
        offset, size = symbols[name]
        if size < _JUMP_BYTES:
            raise OSError(f"{name} has {size} bytes only")
        at = code_at + code.tell()
        code.write(bytes.fromhex(text.format(at=shift_at.to_bytes(8, "little").hex())))
        jump = b"\x48\xb8" + at.to_bytes(8, "little") + b"\xff\xe0"  # mov rax, at; jmp rax
        ctypes.memmove(start + offset, jump, len(jump))


def _vdso_range() -> tuple[int, int]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith("[vdso]"):
            start, end = line.split()[0].split("-")
            return int(start, 16), int(end, 16)
    raise OSError("this process has no vDSO")


def _symbols(image: bytes) -> dict[str, tuple[int, int]]:
    """Name → offset and size, from the ELF image's .dynsym section."""
    (table,) = struct.unpack_from("<Q", image, 40)
    entry_bytes, count = struct.unpack_from("<HH", image, 58)
    headers = [
        struct.unpack_from("<IIQQQQII", image, table + number * entry_bytes)
        for number in range(count)
    ]
    found = {}
    for header in headers:
        if header[1] != 11:  # SHT_DYNSYM
            continue
        names_at = headers[header[6]][4]
        for at in range(header[4], header[4] + header[5], 24):
            name, _, _, _, value, size = struct.unpack_from("<IBBHQQ", image, at)
            end = image.index(b"\0", names_at + name)
            found[image[names_at + name : end].decode()] = (value, size)
    return found


if __name__ == "__main__":
    shift_this_process(Path(sys.argv[1]))
    sys.argv = ["oracle", *sys.argv[2:]]
    runpy.run_module("oracle", run_name="__main__", alter_sys=True)

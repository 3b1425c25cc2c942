# SPDX-License-Identifier: Apache-2.0
"""Leaves a process nothing but its open pipes, its memory and its end.

On Linux a seccomp filter names the system calls that remain. Any other call, such as one that opens
a file or a socket, starts a program or looks at another process, ends the process at once. The
filter cannot be removed. `renderer` loads this file by its path, so it imports nothing of the
project.
"""

import ctypes
import os
import resource
import struct
import sys

MEMORY_BYTES = 512 << 20
"""Address space. Python and Jinja need 60 MiB of it."""
OPEN_FILES = 3
"""Standard input, output and error."""
_MAX_CLOSED = 1 << 16

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000

# Instructions of classic BPF (linux/bpf_common.h), on struct seccomp_data (linux/seccomp.h).
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_INSTRUCTION_BYTES = 8
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET = 0, 4

_CALLS = {
    # Machine: AUDIT_ARCH_… and the numbers of the allowed calls.
    "x86_64": (
        0xC000003E,
        {
            "read": 0,
            "write": 1,
            "exit": 60,
            "exit_group": 231,
            "mmap": 9,
            "mprotect": 10,
            "munmap": 11,
            "brk": 12,
            "mremap": 25,
            "madvise": 28,
            "rt_sigreturn": 15,
            "setitimer": 38,
            "futex": 202,
            "clock_gettime": 228,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "read": 63,
            "write": 64,
            "exit": 93,
            "exit_group": 94,
            "mmap": 222,
            "mprotect": 226,
            "munmap": 215,
            "brk": 214,
            "mremap": 216,
            "madvise": 233,
            "rt_sigreturn": 139,
            "setitimer": 103,
            "futex": 98,
            "clock_gettime": 113,
        },
    ),
}


class ConfinementFailed(Exception):
    """The kernel does not offer what confines the process."""


class _Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def confine_process() -> None:
    """Everything that the process still imports or opens must be there before.

    Elsewhere than on Linux, where no enclave runs, no more than these limits hold. Raises
    `ConfinementFailed`.
    """
    os.closerange(OPEN_FILES, _MAX_CLOSED)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        resource.setrlimit(limit, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        _install_filter()


def _install_filter() -> None:
    machine = os.uname().machine
    if machine not in _CALLS:
        raise ConfinementFailed(f"no list of system calls for {machine}")
    architecture, calls = _CALLS[machine]
    program = _assemble(architecture, sorted(calls.values()))
    prepared = _Filter(len(program) // _INSTRUCTION_BYTES, program)
    library = ctypes.CDLL(None, use_errno=True)
    for option, arguments in (
        (_PR_SET_DUMPABLE, (0,)),
        (_PR_SET_NO_NEW_PRIVS, (1,)),
        (_PR_SET_SECCOMP, (_SECCOMP_MODE_FILTER, ctypes.byref(prepared))),
    ):
        values = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
        zeros = [ctypes.c_ulong(0)] * (4 - len(values))
        if library.prctl(ctypes.c_int(option), *values, *zeros) != 0:
            raise ConfinementFailed(os.strerror(ctypes.get_errno()))


def _assemble(architecture: int, numbers: list[int]) -> bytes:
    """Kills the process unless a call is of this architecture and one of these numbers.

    A call of another ABI of the same machine has another architecture (i386) or a number that is
    not listed (x32), so no number is taken for another call.
    """
    count = len(numbers)
    # Jumps skip instructions: to the last one, which allows, or to the one before, which kills.
    instructions = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_OFFSET),
        (_JUMP_IF_EQUAL, 0, count + 1, architecture),
        (_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
        *((_JUMP_IF_EQUAL, count - place, 0, number) for place, number in enumerate(numbers)),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)

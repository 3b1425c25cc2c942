# SPDX-License-Identifier: Apache-2.0
"""Becomes another program, tied to the life of the process that started it.

    python -I -S die_with_parent.py PARENT PROGRAM ARGUMENT…

On Linux the kernel then kills the program when its parent dies, however that dies. A program of its
own instead of code between fork and exec, because that is unsafe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Does not return."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it died before the kernel knew
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()

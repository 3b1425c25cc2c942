# SPDX-License-Identifier: Apache-2.0
"""Becomes another program that ends when the process that started it ends.

    python -I -S die_with_parent.py PARENT PROGRAM ARGUMENT…

On Linux the kernel kills the program when its parent ends. This is a program,
and not code between fork and exec, because such code is unsafe in a process with threads.
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
        sys.exit(1)  # the parent ended before the kernel was told
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()

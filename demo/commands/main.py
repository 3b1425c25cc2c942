# SPDX-License-Identifier: Apache-2.0
"""`python -m demo`: chooses the command by the first argument. Exit statuses:

0    success: for a question, the answer equals the unsplit model's, the amounts add up, and the
     verification passed
1    something failed, and the output says what
2    the options or the question are invalid
130  interrupted (143 by SIGTERM)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from demo.commands import ask_command, host_command, stop_command, world_command
from demo.commands.options import (
    read_ask_options,
    read_host_options,
    read_stop_options,
    read_world_options,
)
from demo.errors import Interrupted, QuestionInvalid
from demo.output.console import Console
from demo.processes.signals import interruptible
from teetee.errors import TeeTeeError

FAILED, MISUSED, SIGNALLED = 1, 2, 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    match given:
        case ["world", *others]:
            world_options = read_world_options(others)
            return _guarded(lambda console: world_command.run(world_options, console))
        case ["host", *others]:
            host_options = read_host_options(others)
            return _guarded(lambda console: host_command.run(host_options, console))
        case ["stop", *others]:
            stop_options = read_stop_options(others)
            return _guarded(lambda console: stop_command.run(stop_options, console))
    try:
        options = read_ask_options(given, os.environ)
    except QuestionInvalid as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED
    return ask_command.run(options)


def _guarded(run: Callable[[Console], None]) -> int:
    console = Console()
    try:
        with interruptible():
            run(console)
    except Interrupted as interrupted:
        console.say("Interrupted. Everything is stopped.", "yellow")
        return SIGNALLED + interrupted.number
    except TeeTeeError as error:
        console.say(f"error: {error}", "bold red")
        return FAILED
    return 0

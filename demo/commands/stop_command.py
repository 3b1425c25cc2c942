# SPDX-License-Identifier: Apache-2.0
"""`python -m demo stop`: stops the world that runs in a folder."""

from __future__ import annotations

import os
import signal

from demo.commands.options import StopOptions
from demo.errors import WorldDidNotStop
from demo.folders import wait_for_release, world_process
from demo.output.console import Console

SECONDS = 60.0


def run(options: StopOptions, console: Console) -> None:
    """Raises `NoWorldRuns`, `WorldDidNotStop`."""
    process_id = world_process(options.directory)
    os.kill(process_id, signal.SIGTERM)
    with console.phase("stop", f"Stopping the world in {options.directory}"):
        if not wait_for_release(options.directory, SECONDS):
            raise WorldDidNotStop(process_id, SECONDS)

# SPDX-License-Identifier: Apache-2.0
"""Keeps a world running: prints its settings, and reports a process that ends by itself."""

from __future__ import annotations

from pathlib import Path

from demo.commands.options import WORLD_DIRECTORY
from demo.errors import end_text
from demo.kept_world import KeptWorld
from demo.output.console import Console
from demo.output.narration import short_path
from demo.processes.service_process import ServiceProcess
from demo.world import World


def print_settings(console: Console, kept: KeptWorld) -> None:
    """The settings for other terminals, and what to try there."""
    shell_file = short_path(kept.shell_file)
    console.heading("In another terminal, in this folder:")
    console.say(f"  source {shell_file}")
    console.say("  teetee shards")
    console.say('  teetee ask "What is a shard?"')
    console.say("  toolchain/ape run admin status")
    console.say(f"{shell_file} sets:")
    for name, value in kept.variables.items():
        console.say(f"  {name}={value}")
    console.say(
        f"  PATH, so that `teetee` is found. A host's wallet: --keystore {kept.host_keystore}"
    )
    console.say(f"One more host: {_command(kept, 'host', 'make host LAYERS=8-19')}")


def keep_running(console: Console, world: World, kept: KeptWorld) -> None:
    """Until a signal raises `Interrupted`."""
    stop = _command(kept, "stop", "make world-stop")
    console.heading(f"The world runs until Ctrl-C, or `{stop}`.")
    try:
        while True:
            report_end(console, world.supervisor.wait_for_end())
    finally:
        kept.remove()


def report_end(console: Console, service: ServiceProcess | None) -> None:
    """Say that a process ended which should run."""
    if service is None:
        return
    ended = f"{service.name} {end_text(service.process.wait())}"
    console.say(f"{ended}. Its log: {short_path(service.log)}", "bold red")
    if service.name.startswith("oracle-"):
        console.say(
            "  Other shards of its layers, if any, take over its requests: `teetee shards`."
        )


def _command(kept: KeptWorld, name: str, target: str) -> str:
    """The make target, or for a world in another folder the command behind it."""
    directory = Path(kept.directory)
    if directory == WORLD_DIRECTORY:
        return target
    return f"python -m demo {name} --directory {short_path(directory)}"

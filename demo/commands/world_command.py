# SPDX-License-Identifier: Apache-2.0
"""`python -m demo world`: a world without a question, kept running."""

from __future__ import annotations

from contextlib import suppress

from demo.commands.keeping import keep_running, print_settings
from demo.commands.options import WorldOptions
from demo.errors import Interrupted, WorldRuns
from demo.kept_world import KeptWorld, claim_for_wallets
from demo.output.console import Console
from demo.plan import WorldPlan
from demo.world import World


def run(options: WorldOptions, console: Console) -> None:
    """Start the world and keep it, or print the settings of the one that runs.

    Raises `WorldStarts` while another process starts it, and what the phases raise.
    """
    plan = WorldPlan(directory=options.directory, model=options.model, port=options.port)
    try:
        with World(plan, console) as world:
            world.start()
            claim_for_wallets(world)
            kept = KeptWorld.create(world)
            console.say(f"The world is up after {sum(console.seconds.values()):.0f} s.", "bold")
            print_settings(console, kept)
            with suppress(Interrupted):  # the intended end
                keep_running(console, world, kept)
        console.say("Everything is stopped.")
    except WorldRuns:
        kept = KeptWorld.load(options.directory)
        console.say(f"The world already runs in {options.directory}.")
        print_settings(console, kept)

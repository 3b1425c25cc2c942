# SPDX-License-Identifier: Apache-2.0
"""`python -m demo`: a question in a new world, from the setup to the report."""

from __future__ import annotations

import sys
from contextlib import suppress

from demo.commands.keeping import keep_running, print_settings
from demo.commands.options import AskOptions
from demo.errors import Interrupted
from demo.kept_world import REQUESTER, KeptWorld, claim_for_wallets
from demo.output.console import Console
from demo.output.narration import (
    print_comparison,
    print_introduction,
    print_next_steps,
    print_usage,
    print_verification,
)
from demo.output.report import Report
from demo.phases.ask import AskResult, ask, claim_tokens
from demo.phases.unsplit import answer_unsplit
from demo.phases.verify import verify
from demo.plan import WorldPlan
from demo.processes.signals import interruptible
from demo.world import World
from teetee.errors import TeeTeeError

FAILED, SIGNALLED = 1, 128


def run(options: AskOptions) -> int:
    """Returns the exit status. Writes the report also on failure."""
    console = Console(words_to_stderr=options.as_json)
    report = Report(options.question)
    try:
        with interruptible():
            _run(options, console, report)
    except Interrupted as interrupted:
        report.error = {"name": "Interrupted", "message": str(interrupted)}
        console.say("Interrupted. Everything is stopped.", "yellow")
        return SIGNALLED + interrupted.number
    except TeeTeeError as error:
        report.error = {"name": type(error).__name__, "message": str(error)}
        console.say(f"error: {error}", "bold red")
    except Exception as error:
        # A bug. Its text could contain anything, so the report has only its class.
        report.error = {"name": type(error).__name__, "message": "a bug in the demo"}
        raise
    finally:
        report.write(options.report, console.seconds)
        if options.as_json:
            sys.stdout.write(options.report.read_text(encoding="utf-8"))
    return 0 if report.proven else FAILED


def _run(options: AskOptions, console: Console, report: Report) -> None:
    print_introduction(console)
    plan = WorldPlan(directory=options.directory, model=options.model, port=options.port)
    with World(plan, console) as world:
        world.start()
        if options.keep:
            claim_for_wallets(world)
            kept = KeptWorld.create(world)
            print_settings(console, kept)
        asked = _ask(options, console, report, world)
        _compare(options, console, report, world, asked)
        _verify(console, report, world, asked)
        print_next_steps(console, options.report, world.folders.logs)
        if options.keep:
            report.write(options.report, console.seconds)
            with suppress(Interrupted):  # the intended end
                keep_running(console, world, kept)
            console.say("Everything is stopped.")


def _ask(options: AskOptions, console: Console, report: Report, world: World) -> AskResult:
    requester = world.wallet(REQUESTER)
    with console.phase("ask", "Question: asked, paid and answered", moving=False):
        if not options.keep:  # there, the wallets have claimed already
            claim_tokens(world.command, requester)
        console.heading(f"> {options.question}")
        asked = ask(
            world.command,
            requester,
            options.question,
            *("--max-tokens", str(options.max_tokens)),
            on_text=console.piece,
        )
        print_usage(console, asked)
    report.add({"requestId": asked.request_id, "answer": asked.answer})
    report.add({"tokens": {"input": asked.input_tokens, "output": asked.output_tokens}})
    return asked


def _compare(
    options: AskOptions, console: Console, report: Report, world: World, asked: AskResult
) -> None:
    with console.phase("unsplit", "Comparison: the same question to the unsplit model"):
        unsplit = answer_unsplit(
            world.supervisor, world.model.folder, options.question, options.max_tokens
        )
    print_comparison(console, asked, unsplit)
    report.add({"answerEqualsUnsplit": asked.equals(unsplit)})


def _verify(console: Console, report: Report, world: World, asked: AskResult) -> None:
    with console.phase("verify", "Verification: from the chain alone"):
        found = verify(
            world.command,
            world.connection(),
            world.deployment,
            world.wallets,
            asked.request_id,
        )
    report.add(found.as_json())
    print_verification(console, found, world.wallets)

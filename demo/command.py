# SPDX-License-Identifier: Apache-2.0
"""`python -m demo`: the phases in their order, the report, the exit status.

0    the answer equals the unsplit model's, the money sums up, the audit passed
1    something failed, and the report says what
2    the options or the question cannot be understood
130  interrupted (143 by SIGTERM)
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from demo.errors import Interrupted, QuestionInvalid
from demo.options import Options, read_options
from demo.output.console import Console
from demo.output.narration import (
    tell_asked,
    tell_audit,
    tell_begin,
    tell_end,
    tell_keep,
    tell_unsplit,
)
from demo.output.report import Report
from demo.phases.ask import Asked, ask, claim_tokens
from demo.phases.audit import audit
from demo.phases.unsplit import answer_unsplit
from demo.plan import Plan
from demo.processes.signals import interruptible
from demo.world import World
from teetee.errors import TeeTeeError

FAILED, MISUSED, SIGNALLED = 1, 2, 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    try:
        options = read_options(sys.argv[1:] if arguments is None else arguments, os.environ)
    except QuestionInvalid as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED
    console = Console(words_to_stderr=options.as_json)
    report = Report(options.question)
    try:
        with interruptible():
            _run(options, console, report)
    except Interrupted as interrupted:
        report.error = {"name": "Interrupted", "message": str(interrupted)}
        console.say("interrupted; everything was stopped", "yellow")
        return SIGNALLED + interrupted.number
    except TeeTeeError as error:
        report.error = {"name": error.error_name, "message": str(error)}
        console.say(f"error: {error}", "bold red")
    except Exception as error:
        # A fault of ours; a foreign error's text could hold anything, so the report has its class.
        report.error = {"name": type(error).__name__, "message": "a fault of the demo itself"}
        raise
    finally:
        report.write(options.report, console.seconds)
        if options.as_json:
            sys.stdout.write(options.report.read_text(encoding="utf-8"))
    return 0 if report.proven else FAILED


def _run(options: Options, console: Console, report: Report) -> None:
    tell_begin(console)
    plan = Plan(directory=options.directory, model=options.model, port=options.port)
    with World(plan, console) as world:
        world.start()
        asked = _ask(options, console, report, world)
        _compare(options, console, report, world, asked)
        _audit(console, report, world, asked)
        if options.keep and report.proven:
            report.write(options.report, console.seconds)
            tell_keep(console, world.command.variables(world.wallet("requester")))
            with suppress(Interrupted):  # that is how it is meant to end
                signal.pause()
            console.say("stopping")
    tell_end(console, options.report, plan.directory / "logs", asked.request_id)


def _ask(options: Options, console: Console, report: Report, world: World) -> Asked:
    requester = world.wallet("requester")
    with console.phase("ask", "asked, paid and answered", moving=False):
        claim_tokens(world.command, requester)
        console.heading(f"> {options.question}")
        asked = ask(
            world.command,
            requester,
            options.question,
            *("--max-tokens", str(options.max_tokens)),
            on_text=console.piece,
        )
        tell_asked(console, asked)
    report.add({"requestId": asked.request_id, "answer": asked.answer})
    report.add({"tokens": {"input": asked.input_tokens, "output": asked.output_tokens}})
    return asked


def _compare(
    options: Options, console: Console, report: Report, world: World, asked: Asked
) -> None:
    with console.phase("unsplit", "the same question to the unsplit model"):
        unsplit = answer_unsplit(
            world.supervisor, world.model.folder, options.question, options.max_tokens
        )
    tell_unsplit(console, asked, unsplit)
    report.add({"answerEqualsUnsplit": asked.equals(unsplit)})


def _audit(console: Console, report: Report, world: World, asked: Asked) -> None:
    with console.phase("audit", "the audit, from the chain alone"):
        found = audit(
            world.command,
            world.connection(),
            world.deployment,
            world.wallets,
            asked.request_id,
        )
    report.add(found.as_json())
    tell_audit(console, found, world.wallets)

# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.faults`: a run of faults, or the replay of one batch."""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.errors import Interrupted
from demo.output.console import Console
from demo.plan import BUILD
from demo.processes.signals import interruptible
from teetee.errors import TeeTeeError
from tests.faults.clock import IS_SUPPORTED
from tests.faults.fault import Kind
from tests.faults.report import MEANINGS, from_json, to_json, write_results
from tests.faults.result import BooksWrong, Result
from tests.faults.run import Run
from tests.faults.schedule import BATCH, make_schedule
from tests.faults.world import FaultWorld

DESCRIPTION = """\
Start the world of `make demo` with a tiny model, make faults in it beside paid requests, and check
the books after every hundred faults: each request has exactly one end, was paid or refunded once,
and its answer is that of the run without faults; nothing plain is on the disk; no entry lost any of
its bond that could act before the deadline.
"""

EPILOG = """\
kinds of faults:
{kinds}

examples:
  python -m tests.faults                                  200 faults of a random seed
  python -m tests.faults --seed 7 --faults 5000           a long run
  python -m tests.faults --seed 7 --faults 5000 --json faults.json --resume
                                                          continue it after a failure
  python -m tests.faults --seed 7 --batch 12              the 13th hundred of that run, alone
  python -m tests.faults --seed 7 --batch 12 --list       what they are; nothing is started
  python -m tests.faults --kinds kill,reorg               these kinds alone

A seed fixes which faults hit whom, and when in their batch. The operating system decides which
instruction that interrupts: a replay meets the same situation often, not always.
The logs of all processes stay in build/faults/logs. Exit status: 0, or 1 if the books are wrong.
"""


BATCHES_IN_A_WORLD = 10
"""A chain that has seen many reorganisations takes gigabytes."""
KINDS = tuple(kind for kind in Kind if kind is not Kind.CLOCK or IS_SUPPORTED)
"""All that this machine can make."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    seed: int
    faults: int
    batch: int | None
    kinds: tuple[Kind, ...]
    json: Path | None
    plot: Path | None
    directory: Path
    only_list: bool
    resumes: bool = False

    @property
    def batches(self) -> list[tuple[int, int]]:
        """Number and size of each."""
        if self.batch is not None:
            return [(self.batch, min(self.faults, BATCH))]
        full, rest = divmod(self.faults, BATCH)
        return [*((number, BATCH) for number in range(full)), *([(full, rest)] if rest else [])]


def read_options(arguments: Sequence[str]) -> Options:
    """Exits with status 2 and a reason if they are invalid."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.resume and (given.json is None or given.seed is None):
        parser.error("--resume needs --json and --seed of the run that it continues")
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    return Options(
        seed=seed,
        faults=given.faults,
        batch=given.batch,
        kinds=given.kinds,
        json=given.json,
        plot=given.plot,
        directory=given.directory,
        only_list=given.list,
        resumes=given.resume,
    )


def _parser() -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {kind.value:10} {MEANINGS[kind]}" for kind in Kind)
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=DESCRIPTION,
        epilog=EPILOG.format(kinds=kinds),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="of the schedule; random by default")
    parser.add_argument("--faults", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--batch", type=int, help="one hundred of them alone, counted from 0")
    parser.add_argument("--kinds", type=_kinds, default=KINDS, help="separated by commas")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on after the faults in the result at --json, which is written after each thousand",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a chart as SVG")
    parser.add_argument(
        "--directory",
        type=Path,
        default=BUILD / "faults",
        help="of the world (build/faults)",
    )
    parser.add_argument("--list", action="store_true", help="print the schedule and end")
    return parser


class NotThisRun(TeeTeeError):
    """The result is of another seed, or of a run that ended within a hundred."""

    def __init__(self, file: Path, seed: int, faults: int) -> None:
        super().__init__(
            f"{file} is of seed {seed} and {faults} faults: give that seed, or no --resume"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    options = read_options(sys.argv[1:] if arguments is None else arguments)
    if options.only_list:
        for batch, size in options.batches:
            for fault in make_schedule(options.seed, batch, size, options.kinds).faults:
                _print(json.dumps({"batch": batch, **fault.to_json()}))
        return 0
    console = Console(words_to_stderr=True)
    faulthandler.register(signal.SIGUSR1)  # shows where a run hangs
    try:
        with interruptible():
            result = run(options, console)
    except Interrupted as interrupted:
        return 128 + interrupted.number
    except BooksWrong as error:
        _show_problems(error, options, console)
        return 1
    except TeeTeeError as error:
        console.say(f"error: {error}", "bold red")
        return 1
    _print(json.dumps(to_json(result), indent=2))
    return 0


def run(options: Options, console: Console) -> Result:
    """The whole run, in as many worlds as it takes. Raises `BooksWrong`, `NotThisRun`."""
    result = _resumed(options) if options.resumes else Result(options.seed)
    for first in range(result.fault_count // BATCH, len(options.batches), BATCHES_IN_A_WORLD):
        batches = options.batches[first : first + BATCHES_IN_A_WORLD]
        result.add(_run_in_a_world(options, batches, result.fault_count, console))
        write_results(result, options.json, options.plot)  # a later failure loses nothing of it
    return result


def _resumed(options: Options) -> Result:
    """What the run has found so far. It was written after whole batches, unless it was complete."""
    assert options.json is not None
    if not options.json.exists():
        return Result(options.seed)
    result = from_json(json.loads(options.json.read_text()))
    if result.seed != options.seed or result.fault_count % BATCH:
        raise NotThisRun(options.json, result.seed, result.fault_count)
    return result


def _run_in_a_world(
    options: Options, batches: Sequence[tuple[int, int]], done: int, console: Console
) -> Result:
    with FaultWorld(options.directory, console) as world:
        world.start()
        run_ = Run(world, options.seed, options.kinds)
        with console.phase("reference", "Reference: every prompt once, without faults"):
            run_.start()
        console.say(f"seed {options.seed}")
        for batch, size in batches:
            findings = run_.run_batch(batch, size)
            done += size
            ends = ", ".join(f"{number} {name}" for name, number in sorted(findings.ends.items()))
            slowness = run_.pace.slowness
            slow = f" ({slowness:.1f} times slower)" if slowness > 1 else ""
            console.say(f"{done:6} of {options.faults} faults; batch {batch}{slow}: {ends}")
        return run_.finish()


def _show_problems(error: BooksWrong, options: Options, console: Console) -> None:
    console.say(f"The books are wrong: {error}", "bold red")
    for problem in error.problems[1:20]:
        console.say(f"  {problem}")
    kinds = "" if options.kinds == KINDS else f" --kinds {_names(options.kinds)}"
    batch = "" if error.batch is None else f" --batch {error.batch}"
    faults = "" if batch and options.faults >= BATCH else f" --faults {options.faults}"
    console.say(f"Replay: python -m tests.faults --seed {error.seed}{batch}{faults}{kinds}", "bold")
    console.say(f"Logs: {options.directory / 'logs'}")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _kinds(text: str) -> tuple[Kind, ...]:
    try:
        chosen = {Kind(name.strip()) for name in text.split(",")}
    except ValueError:
        raise argparse.ArgumentTypeError(f"known are {_names(tuple(Kind))}") from None
    return tuple(kind for kind in Kind if kind in chosen)


def _names(kinds: Sequence[Kind]) -> str:
    return ",".join(kind.value for kind in kinds)

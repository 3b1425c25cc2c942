# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.fuzzing`: the command."""

import argparse
import sys
import traceback
from pathlib import Path

from tests.fuzzing.parent import fuzz
from tests.fuzzing.target import NAMES, VALID, corpus_of, find_target
from tests.fuzzing.watch import MAX_BYTES, MAX_SECONDS, Watch

RUNS = 1_000_000

DESCRIPTION = f"""\
Coverage-guided fuzzing of everything that reads bytes from outside (atheris, libFuzzer).

A finding is an exception other than the errors that the reader documents, a broken property (what
decodes must encode to the same bytes, …), more than {MAX_SECONDS:g} s, or more than \
{MAX_BYTES >> 20} MiB of memory.
The input that causes it is kept; --replay runs it again, with the traceback.

  python -m tests.fuzzing                           all targets, {RUNS:,} executions each
  python -m tests.fuzzing frames --runs 50000       one target, quickly
  python -m tests.fuzzing frames --replay FILE      one input
  python -m tests.fuzzing --make-seeds              write tests/fuzzing/corpus/*/{VALID}* again

After a finding: mend the reader, and add the input to tests/fuzzing/corpus/TARGET under a name that
says what was wrong. The ordinary tests replay the whole corpus, without atheris.

targets:
"""


def main() -> int:
    """0 without findings, 1 with, 2 if this machine cannot fuzz."""
    arguments = _parser().parse_args()
    names = arguments.targets or NAMES
    if arguments.make_seeds:
        return _make_seeds(names)
    if arguments.replay:
        return _replay(names, arguments.replay)
    return fuzz(names, runs=arguments.runs, seed=arguments.seed)


def _parser() -> argparse.ArgumentParser:
    summaries = "".join(f"  {name:12} {find_target(name).summary}\n" for name in NAMES)
    parser = argparse.ArgumentParser(
        "python -m tests.fuzzing",
        description=DESCRIPTION + summaries,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="those to fuzz; without any, all"
    )
    parser.add_argument("--runs", type=int, default=RUNS, help="executions of each target")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other mutations")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="run the target on this input alone"
    )
    parser.add_argument(
        "--make-seeds", action="store_true", help="write the valid seeds, by the real encoders"
    )
    return parser


def _replay(names: list[str], file: Path) -> int:
    for name in names:
        try:
            is_accepted = Watch(find_target(name)).check(file.read_bytes())
        except Exception:  # noqa: BLE001 - that is what a finding is
            traceback.print_exc()
            return 1
        print(f"{name}: {'accepted' if is_accepted else 'refused'}")
    return 0


def _make_seeds(names: list[str]) -> int:
    for name in names:
        folder = corpus_of(name)
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{VALID}*"):
            old.unlink()
        for seed, data in find_target(name).seeds().items():
            (folder / f"{VALID}{seed}").write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())

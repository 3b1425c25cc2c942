# SPDX-License-Identifier: Apache-2.0
"""What can be said to the demo, and what is taken if nothing is said."""

from __future__ import annotations

import argparse
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo.errors import QuestionInvalid
from demo.plan import BUILD

QUESTION_VARIABLE = "QUESTION"
DEFAULT_QUESTION = "Why do people keep secrets?"
DEFAULT_TOKENS, MOST_TOKENS = 64, 2048

DESCRIPTION = """\
Ask a private question and watch it being answered, paid and audited, all on this machine:
a local chain, the contracts, three simulated enclaves of three hosts, a wallet.
"""

EPILOG = """\
examples:
  make demo                                         the default question
  make demo QUESTION="What is a shard?"             your own
  python -m demo --keep                             leave all running, to use `teetee` by hand
  python -m demo --model ~/models/some-llama        another model: a folder, or a GGUF file
  python -m demo --json | jq .gas                   the report on stdout, words on stderr

files:
  build/demo.json        the report: path, quotes, gas, who earned what, seconds per phase
  build/demo/logs/       what each process said; no question and no answer is in there
"""


@dataclass(frozen=True)
class Options:
    """One call of the demo."""

    question: str = field(repr=False)
    max_tokens: int
    model: Path | None
    port: int | None
    directory: Path
    report: Path
    as_json: bool
    keep: bool


def read_options(arguments: Sequence[str], variables: MutableMapping[str, str]) -> Options:
    """From the command line; the question also from QUESTION, which is taken out of the environment
    so that no child finds it there. Raises `QuestionInvalid`; argparse ends the process itself.
    """
    given = _parser().parse_args(arguments)
    from_variable = variables.pop(QUESTION_VARIABLE, None)
    question = " ".join(given.question) if given.question else from_variable
    if question is None:
        question = DEFAULT_QUESTION
    if not question.strip():
        raise QuestionInvalid("is empty")
    directory = given.directory or BUILD / "demo"
    return Options(
        question=question,
        max_tokens=given.max_tokens,
        model=given.model,
        port=given.port,
        directory=directory.absolute(),
        report=(given.report or directory.with_name(directory.name + ".json")).absolute(),
        as_json=given.json,
        keep=given.keep,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("question", nargs="*", metavar="WORD", help="the question; also as QUESTION=… of make")
    add(
        "--max-tokens",
        type=_tokens,
        default=DEFAULT_TOKENS,
        help=f"longest answer, 1 to {MOST_TOKENS} (default: {DEFAULT_TOKENS})",
    )
    add("--model", type=Path, help="model folder or GGUF (default: SmolLM2-135M-Instruct)")
    add("--port", type=_port, help="port of the local chain (default: a free one)")
    add("--directory", type=Path, help="where everything is made (default: build/demo)")
    add("--report", type=Path, help="the report's file (default: build/demo.json)")
    add("--json", action="store_true", help="print the report to stdout, all words to stderr")
    add("--keep", action="store_true", help="go on running afterwards, until Ctrl-C")
    return parser


def _tokens(text: str) -> int:
    return _within(text, 1, MOST_TOKENS)


def _port(text: str) -> int:
    return _within(text, 1, 65_535)


def _within(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
    return number

# SPDX-License-Identifier: Apache-2.0
"""The options of each command, and their defaults."""

from __future__ import annotations

import argparse
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo.errors import QuestionInvalid
from demo.plan import BUILD

QUESTION_VARIABLE = "QUESTION"
DEFAULT_QUESTION = "Why do people keep secrets?"
DEFAULT_TOKENS, MAX_TOKENS = 64, 2048
DEFAULT_LAYERS = "8-19"
DEMO_DIRECTORY, WORLD_DIRECTORY = BUILD / "demo", BUILD / "world"

DESCRIPTION = """\
Ask a private question and see it answered, paid and verified, all on this machine: a local
chain, the contracts, three simulated enclaves of three hosts, a wallet.

python -m demo world    the same without a question, kept running to use `teetee` by hand
python -m demo host     one more host in that world
python -m demo stop     stop that world
"""

EPILOG = """\
examples:
  make demo                                         the default question
  make demo QUESTION="What is a shard?"             your own
  make world                                        a world that keeps running
  python -m demo --keep                             both: ask, and keep the world running
  python -m demo --model ~/models/some-llama        another model: a folder, or a GGUF file
  python -m demo --json | jq .gas                   the report on stdout, the rest on stderr

files:
  build/demo.json        the report: path, quotes, gas, earnings, seconds per phase
  build/demo/logs/       the log of each process, without question and answer
"""

WORLD_DESCRIPTION = """\
Start a world and keep it running: a local chain, the contracts, three simulated enclaves, funded
wallets. Prints the settings for other terminals and writes them to a file to `source`. If the
world already runs, prints its settings.

It stops on Ctrl-C, on `python -m demo stop` (make world-stop), or when the terminal closes. To
keep it beyond the terminal: nohup make world &
"""

HOST_DESCRIPTION = """\
Add a host to the running world: simulate one more machine, start an enclave on it, enrol it with
the world's second wallet. Prints the commands that do the same by hand. Ctrl-C retires the shard.
"""

STOP_DESCRIPTION = "Stop the world that runs in the folder, and wait until it has stopped."


@dataclass(frozen=True)
class AskOptions:
    """`python -m demo`."""

    question: str = field(repr=False)
    max_tokens: int
    model: Path | None
    port: int | None
    directory: Path
    report: Path
    as_json: bool
    keep: bool


@dataclass(frozen=True)
class WorldOptions:
    """`python -m demo world`."""

    model: Path | None
    port: int | None
    directory: Path


@dataclass(frozen=True)
class HostOptions:
    """`python -m demo host`."""

    layers: str
    directory: Path


@dataclass(frozen=True)
class StopOptions:
    """`python -m demo stop`."""

    directory: Path


def read_ask_options(arguments: Sequence[str], variables: MutableMapping[str, str]) -> AskOptions:
    """The question is the words, else QUESTION, which is removed from the environment so that no
    child inherits it. Raises `QuestionInvalid`; argparse ends the process itself.
    """
    given = _ask_parser().parse_args(arguments)
    from_variable = variables.pop(QUESTION_VARIABLE, None)
    question = " ".join(given.question) if given.question else from_variable
    if question is None:
        question = DEFAULT_QUESTION
    if not question.strip():
        raise QuestionInvalid("is empty")
    directory: Path = given.directory
    return AskOptions(
        question=question,
        max_tokens=given.max_tokens,
        model=given.model,
        port=given.port,
        directory=directory.absolute(),
        report=(given.report or directory.with_name(directory.name + ".json")).absolute(),
        as_json=given.json,
        keep=given.keep,
    )


def read_world_options(arguments: Sequence[str]) -> WorldOptions:
    """argparse ends the process on an invalid option."""
    parser = _parser("world", WORLD_DESCRIPTION)
    _add_world_options(parser, WORLD_DIRECTORY)
    given = parser.parse_args(arguments)
    return WorldOptions(given.model, given.port, given.directory.absolute())


def read_host_options(arguments: Sequence[str]) -> HostOptions:
    """argparse ends the process on an invalid option."""
    parser = _parser("host", HOST_DESCRIPTION)
    parser.add_argument(
        "--layers",
        default=DEFAULT_LAYERS,
        metavar="FIRST-END",
        help="the layers to serve, the end not included; from 0 on, the shard is an entry "
        f"(default: {DEFAULT_LAYERS})",
    )
    _add_directory(parser, WORLD_DIRECTORY)
    given = parser.parse_args(arguments)
    return HostOptions(given.layers, given.directory.absolute())


def read_stop_options(arguments: Sequence[str]) -> StopOptions:
    """argparse ends the process on an invalid option."""
    parser = _parser("stop", STOP_DESCRIPTION)
    _add_directory(parser, WORLD_DIRECTORY)
    return StopOptions(parser.parse_args(arguments).directory.absolute())


def _ask_parser() -> argparse.ArgumentParser:
    parser = _parser("", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("question", nargs="*", metavar="WORD", help="the question; also as QUESTION=… of make")
    add(
        "--max-tokens",
        type=_tokens,
        default=DEFAULT_TOKENS,
        help=f"maximum tokens of the answer, 1 to {MAX_TOKENS} (default: {DEFAULT_TOKENS})",
    )
    _add_world_options(parser, DEMO_DIRECTORY)
    add("--report", type=Path, help="file of the report (default: DIRECTORY.json)")
    add("--json", action="store_true", help="print the report to stdout, the rest to stderr")
    add("--keep", action="store_true", help="keep the world running afterwards, until Ctrl-C")
    return parser


def _parser(command: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"python -m demo {command}".strip(),
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_world_options(parser: argparse.ArgumentParser, directory: Path) -> None:
    add = parser.add_argument
    add("--model", type=Path, help="model folder or GGUF file (default: SmolLM2-135M-Instruct)")
    add("--port", type=_port, help="port of the local chain (default: a free one)")
    _add_directory(parser, directory)


def _add_directory(parser: argparse.ArgumentParser, directory: Path) -> None:
    shown = directory.relative_to(BUILD.parent)
    text = f"folder of the world (default: {shown})"
    parser.add_argument("--directory", type=Path, default=directory, help=text)


def _tokens(text: str) -> int:
    return _within(text, 1, MAX_TOKENS)


def _port(text: str) -> int:
    return _within(text, 1, 65_535)


def _within(text: str, minimum: int, maximum: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = minimum - 1
    if not minimum <= number <= maximum:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {minimum} to {maximum}")
    return number

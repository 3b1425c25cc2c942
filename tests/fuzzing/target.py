# SPDX-License-Identifier: Apache-2.0
"""What a fuzzing target is: a reader of untrusted bytes, and the errors it may raise.

Imports no package that is fuzzed: the campaign instruments their imports.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent
VALID = "valid-"
"""How the names of seeds begin that the reader must accept."""


@dataclass(frozen=True)
class Target:
    """One reader, or a few that read the same kind of message."""

    name: str
    summary: str
    """For --help."""
    run: Callable[[bytes], None]
    """Reads the bytes, and asserts what must hold for all that are accepted."""
    errors: tuple[type[Exception], ...]
    """The documented refusals. Any other exception is a finding."""
    seeds: Callable[[], Mapping[str, bytes]]
    """Valid inputs by name, made by the real encoders."""
    max_bytes: int = 4096
    """The longest input that is tried."""
    words: tuple[bytes, ...] = ()
    """What the mutations insert besides random bytes."""


NAMES = tuple(sorted(path.stem for path in (FOLDER / "targets").glob("[a-z]*.py")))


def find_target(name: str) -> Target:
    """The target of that name, from targets/<name>.py."""
    target = import_module(f"tests.fuzzing.targets.{name}").TARGET
    assert isinstance(target, Target)
    return target


def corpus_of(name: str) -> Path:
    """The folder of a target's committed inputs: seeds, and inputs that once failed."""
    return FOLDER / "corpus" / name

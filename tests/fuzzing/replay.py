# SPDX-License-Identifier: Apache-2.0
"""Runs inputs under a `Watch` in a process of its own. The process of the tests does not do for it:
memory that it has freed and still holds would hide what an execution needs.
"""

import multiprocessing
import traceback
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.fuzzing.target import corpus_of, find_target
from tests.fuzzing.watch import Watch


@contextmanager
def fresh_process() -> Iterator[Executor]:
    """One process that holds nothing of this one's memory."""
    # "fork" would copy what this process has freed and still holds.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        yield process


def replay_corpus(name: str) -> set[str]:
    """Run the target on its whole corpus; return the names of the inputs that it accepts. Raises
    `AssertionError` for a finding.
    """
    watch = Watch(find_target(name))
    return {file.name for file in sorted(corpus_of(name).iterdir()) if _is_accepted(watch, file)}


def _is_accepted(watch: Watch, file: Path) -> bool:
    try:
        return watch.check(file.read_bytes())
    except Exception:  # noqa: BLE001 - not every exception can be sent to another process
        raise AssertionError(f"{file.name}: {traceback.format_exc()}") from None

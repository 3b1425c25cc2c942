# SPDX-License-Identifier: Apache-2.0
"""Starts one campaign after the other, each in its process, and says what came of it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from tests.fuzzing.memory_files import temporary_folder
from tests.fuzzing.target import FOLDER, corpus_of, find_target

BUILD = FOLDER.parent.parent / "build" / "fuzzing"
"""Findings, logs, and the inputs that reached new code: the next campaign starts from them."""

_COVERED = re.compile(rb"cov: (\d+) ft: (\d+)")
_EXECUTED = re.compile(rb"number_of_executed_units: (\d+)")
_HEADLINE = b" === "
"""How atheris begins to say what an input has caused."""


def fuzz(names: Sequence[str], *, runs: int, seed: int) -> int:
    """0 without findings, 1 with, 2 if atheris is not installed."""
    if find_spec("atheris") is None:
        print(
            "Fuzzing needs atheris, which has builds for Linux on x86-64 and Python 3.11 to 3.13. "
            "The corpus is replayed by the ordinary tests: pytest tests/fuzzing"
        )
        return 2
    findings = [name for name in names if not _fuzz_one(name, runs=runs, seed=seed)]
    return 1 if findings else 0


def _fuzz_one(name: str, *, runs: int, seed: int) -> bool:
    """Whether nothing was found."""
    folder = BUILD / name
    kept, seeds = folder / "corpus", corpus_of(name)
    kept.mkdir(parents=True, exist_ok=True)
    finding, log, started = folder / "finding", folder / "log.txt", time.monotonic()
    finding.unlink(missing_ok=True)
    options = [
        f"-runs={runs}",
        f"-seed={seed}",
        f"-exact_artifact_path={finding}",
        f"-dict={_dictionary(name, folder)}",
        "-print_final_stats=1",
    ]
    # libFuzzer ends its process without cleaning up.
    with log.open("wb") as output, temporary_folder() as temporary:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzzing.campaign", name, finding, *options, kept, seeds],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": temporary},
            check=False,
        )
    seconds, text = time.monotonic() - started, log.read_bytes()
    if done.returncode == 0:
        print(f"{_summary(name, text, seconds)}, no finding", flush=True)
        return True
    print(text[max(0, text.rfind(_HEADLINE)) :][-4000:].decode(errors="replace"))
    print(f"{_summary(name, text, seconds)}, A FINDING", flush=True)
    if finding.is_file():
        named = folder / f"finding-{sha256(finding.read_bytes()).hexdigest()[:12]}"
        print(f"python -m tests.fuzzing {name} --replay {finding.rename(named)}", flush=True)
    else:
        print(f"The process ended with status {done.returncode}: {log}", flush=True)
    return False


def _dictionary(name: str, folder: Path) -> Path:
    """The target's words as libFuzzer reads them."""
    lines = (
        '"' + "".join(f"\\x{byte:02X}" for byte in word) + '"\n' for word in find_target(name).words
    )
    path = folder / "words.dict"
    path.write_text("".join(lines))
    return path


def _summary(name: str, log: bytes, seconds: float) -> str:
    covered = _COVERED.findall(log)
    edges, features = covered[-1] if covered else (b"0", b"0")
    executed = _EXECUTED.search(log)
    count = int(executed[1]) if executed else 0
    return (
        f"{name}: {count:,} executions in {seconds:.0f} s ({count / seconds:,.0f}/s), "
        f"{int(edges):,} edges, {int(features):,} features"
    )

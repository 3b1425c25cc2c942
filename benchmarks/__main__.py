# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks`: measure everything, or what is named, and write the results."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.gas import report as gas
from benchmarks.outcome import RESULTS, Options, Outcome
from benchmarks.runtime import gpu
from benchmarks.runtime.report import report as runtime
from teetee.errors import TeeTeeError

BENCHMARKS: dict[str, Callable[[Options], Outcome]] = {
    "gas": gas.run,
    "runtime": runtime.run,
    "gpu": gpu.run,
}
"""Each writes its results into a folder and returns what to show."""


def main() -> int:
    """Exit status 0, or 1 with one line about what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHMARKS, []], help="which to run (all, if none is named)"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write into")
    parser.add_argument(
        "--quick", action="store_true", help="the runtime in three minutes, written to build/"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    asked = parser.parse_args()
    asked.results.mkdir(parents=True, exist_ok=True)
    found: dict[str, Outcome] = {}
    for name in asked.names or BENCHMARKS:
        try:
            found[name] = BENCHMARKS[name](Options(asked.results, asked.quick))
        except (BenchmarkError, TeeTeeError) as error:
            print(error, file=sys.stderr)
            return 1
        if not asked.json:
            print(found[name].table)
    if asked.json:
        print(json.dumps({name: outcome.figures for name, outcome in found.items()}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

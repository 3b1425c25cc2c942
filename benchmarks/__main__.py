# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks`: runs all benchmarks, or the named ones, and writes the results."""

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
"""Each writes its results into a folder and returns them."""


def main() -> int:
    """Runs the command line; returns 0, or 1 after printing an error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Runs all benchmarks, or the named ones, and writes the results.",
        epilog="Example: python -m benchmarks runtime --quick",
    )
    parser.add_argument(
        "names",
        nargs="*",
        choices=[*BENCHMARKS, []],
        metavar="BENCHMARK",
        help="gas, runtime or gpu (default: all)",
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FOLDER", help="folder for the results"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="three-minute run of the runtime benchmark, written to build/",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    found: dict[str, Outcome] = {}
    for name in options.names or BENCHMARKS:
        try:
            found[name] = BENCHMARKS[name](Options(options.results, options.quick))
        except (BenchmarkError, TeeTeeError) as error:
            print(error, file=sys.stderr)
            return 1
        if not options.json:
            print(found[name].table)
    if options.json:
        print(json.dumps({name: outcome.figures for name, outcome in found.items()}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

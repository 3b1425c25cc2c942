"""`python -m benchmarks`: measure everything, or what is named, and write the results."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.gas import report

RESULTS = Path(__file__).parent / "results"

BENCHMARKS: dict[str, Callable[[Path], str]] = {"gas": report.run}
"""Each writes its results into a folder and returns what to show."""


def main() -> int:
    """Exit status 0, or 1 with one line about what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHMARKS, []], help="which to run (all, if none is named)"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write into")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    for name in options.names or BENCHMARKS:
        try:
            print(BENCHMARKS[name](options.results))
        except BenchmarkError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

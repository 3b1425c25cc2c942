# SPDX-License-Identifier: Apache-2.0
"""One target under libFuzzer, in a process of its own: libFuzzer ends its process.

`python -m tests.fuzzing` starts it.
"""

import resource
import sys
from pathlib import Path

import atheris

from tests.fuzzing.target import Target, find_target
from tests.fuzzing.watch import Watch

PACKAGES = ("teetee", "shard_runtime", "oracle")
"""Their coverage guides the mutations."""
FURTHER_PACKAGES = {"settings": ("tomllib", "dotenv")}
""" … and that of these, for one target."""
ENDLESS_SECONDS = 30
"""libFuzzer kills an execution after this. `Watch` is stricter, but only sees those that end."""
MAX_ADDRESS_BYTES = 1 << 30
"""Address space beyond what the start needs. Memory that is reserved and never touched does not
count as resident, but this much of it is a finding too."""


def main(name: str, finding: Path, options: list[str]) -> None:
    """Fuzzes the target, and writes the input of a finding. `options` are libFuzzer's."""
    target = _instrumented(name)
    _limit_address_space()
    watch = Watch(target)

    def run(data: bytes) -> None:
        try:
            watch.check(data)
        except BaseException:
            finding.write_bytes(data)
            raise

    fixed = [f"-max_len={target.max_bytes}", f"-timeout={ENDLESS_SECONDS}", "-rss_limit_mb=0"]
    atheris.Setup([sys.argv[0], *fixed, *options], run)
    atheris.Fuzz()


def _instrumented(name: str) -> Target:
    with atheris.instrument_imports(include=[*PACKAGES, *FURTHER_PACKAGES.get(name, ())]):
        return find_target(name)


def _limit_address_space() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MAX_ADDRESS_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])

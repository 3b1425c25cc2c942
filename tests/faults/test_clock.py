# SPDX-License-Identifier: Apache-2.0
"""A process whose wall clock is set from outside.

given a process that asks for the time by Python, by C and by SQLite
    when its clock is set, while it runs
        all of them should see the shift, and the monotonic clock should not
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.clock import IS_SUPPORTED, ShiftedClock

YEAR = 365 * 86_400
PROGRAM = """
import ctypes, json, sqlite3, sys, time
from pathlib import Path
from tests.faults.clock import shift_this_process
shift_this_process(Path(sys.argv[1]))
library = ctypes.CDLL(None)
for line in sys.stdin:
    sqlite = sqlite3.connect(":memory:").execute("select unixepoch('now')").fetchone()[0]
    print(json.dumps([time.time(), library.time(None), sqlite, time.monotonic()]), flush=True)
"""


@pytest.mark.skipif(not IS_SUPPORTED, reason="needs Linux on x86-64")
def test_clock__set_while_the_process_runs__every_library_sees_it(tmp_path: Path) -> None:
    clock = ShiftedClock(tmp_path / "clock")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(clock.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        seen = []
        for shift in (0, YEAR, -YEAR):
            clock.set(shift)
            process.stdin.write("now\n")
            process.stdin.flush()
            seen.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.wait() == 0
    for place in range(3):
        assert seen[1][place] - seen[0][place] == pytest.approx(YEAR, abs=5)
        assert seen[2][place] - seen[0][place] == pytest.approx(-YEAR, abs=5)
    assert 0 <= seen[2][3] - seen[0][3] < 5

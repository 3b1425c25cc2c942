# SPDX-License-Identifier: Apache-2.0
"""The sum of a run that took several worlds.

given the results of two worlds
    their sum should have the counts of both, and the longer times
given a result in a file
    the run that goes on from it should have all of it
"""

from collections import Counter
from dataclasses import replace

from tests.faults.fault import Kind
from tests.faults.report import from_json, to_json
from tests.faults.result import Findings, Result


def world(kill: int, settled: int, recovery: float) -> Result:
    findings = Findings(
        ends=Counter(settled=settled), refunds_due=5, refunds_made=5, lost=1, problems=["one"]
    )
    found = Result(12, faults=Counter({Kind.KILL: kill}), requests=settled, findings=findings)
    found.fault_seconds[Kind.KILL] = 1.5
    found.longest_recovery, found.seconds = recovery, 60.0
    return found


def test_add__two_worlds__has_the_counts_of_both_and_the_longer_times() -> None:
    total = Result(12)
    total.add(world(kill=3, settled=20, recovery=9.0))
    total.add(world(kill=4, settled=30, recovery=7.0))
    assert (total.fault_count, total.faults[Kind.KILL], total.requests) == (7, 7, 50)
    assert total.fault_seconds[Kind.KILL] == 3.0
    assert (total.longest_recovery, total.seconds) == (9.0, 120.0)
    found = total.findings
    assert (found.ends["settled"], found.lost, found.problems) == (50, 2, ["one", "one"])
    assert (found.refunds_due, found.refunds_made) == (10, 10)


def test_from_json__a_written_result__has_all_that_was_written() -> None:
    written = world(kill=3, settled=20, recovery=9.0)
    written.findings.excused, written.findings.answers_cut, written.searched_bytes = 2, 4, 1_500_000
    assert from_json(to_json(written)) == replace(
        written, findings=replace(written.findings, problems=[])
    )

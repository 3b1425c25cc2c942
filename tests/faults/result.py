# SPDX-License-Identifier: Apache-2.0
"""What a run counted and found."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field, fields

from tests.faults.fault import Kind
from tests.faults.schedule import Schedule


@dataclass
class Findings:
    """What was counted, and what was wrong. `problems` must stay empty."""

    ends: Counter[str] = field(default_factory=Counter)
    refunds_due: int = 0
    """Token wei that were owed to requesters, by the ends of their requests."""
    refunds_made: int = 0
    """Token wei that the events say were returned."""
    lost: int = 0
    doubled: int = 0
    answers_changed: int = 0
    answers_cut: int = 0
    """Those that ended with `length` because their time ran out: the right answer's beginning."""
    bonds_lost: int = 0
    excused: int = 0
    """Penalties of entries that could not act past the deadline."""
    plain_on_disk: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """All of them together."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass
class Result:
    """The sum of a run."""

    seed: int
    faults: Counter[Kind] = field(default_factory=Counter)
    fault_seconds: dict[Kind, float] = field(default_factory=lambda: defaultdict(float))
    requests: int = 0
    findings: Findings = field(default_factory=Findings)
    longest_recovery: float = 0.0
    """Seconds from a batch's last fault until every request had ended and every enclave served."""
    longest_start: float = 0.0
    """Seconds from a process's start until it served."""
    searched_bytes: int = 0
    seconds: float = 0.0
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)

    @property
    def fault_count(self) -> int:
        """Of all kinds."""
        return sum(self.faults.values())

    def add(self, other: Result) -> None:
        """What a run in another world found, with the same seed."""
        self.faults += other.faults
        for kind, seconds in other.fault_seconds.items():
            self.fault_seconds[kind] += seconds
        self.requests += other.requests
        self.findings.add(other.findings)
        self.longest_recovery = max(self.longest_recovery, other.longest_recovery)
        self.longest_start = max(self.longest_start, other.longest_start)
        self.searched_bytes += other.searched_bytes
        self.seconds += other.seconds

    def count(self, schedule: Schedule, requests: int, recovery: float, start: float) -> None:
        """One batch."""
        for fault in schedule.faults:
            self.faults[fault.kind] += 1
            self.fault_seconds[fault.kind] += fault.seconds
        self.requests += requests
        self.longest_recovery = max(self.longest_recovery, recovery)
        self.longest_start = max(self.longest_start, start)


class BooksWrong(Exception):
    """A batch, or the whole run, ended with books that are not right."""

    def __init__(self, seed: int, batch: int | None, problems: list[str]) -> None:
        self.seed, self.batch, self.problems = seed, batch, problems
        where = "the whole run" if batch is None else f"batch {batch}"
        super().__init__(f"{where} of seed {seed}: {problems[0]}")

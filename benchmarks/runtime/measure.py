# SPDX-License-Identifier: Apache-2.0
"""Carries out a plan: everybody is started, then everybody is asked by turns, round after round."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.runtime.machine.description import Machine, busy_share
from benchmarks.runtime.machine.memory_limit import reading
from benchmarks.runtime.plan import Plan
from benchmarks.runtime.report.progress import Progress
from benchmarks.runtime.sample import Sample, median_of
from benchmarks.runtime.system import Running, System

WAITING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was measured."""

    plan: Plan
    machine: Machine
    samples: Mapping[str, Mapping[int, Sequence[Sample]]]
    """By the system's name and the number of streams."""
    missing: Mapping[str, str]
    """Systems that were not measured, and why."""
    notes: Mapping[str, str]
    """By system."""
    read_seconds: Sequence[Mapping[str, float]]
    """To read one byte for each weight, by way of reading, once a round."""
    others_busy: Sequence[float | None]
    """Share of all cores' time that others used, a moment before each round."""

    @property
    def disturbed(self) -> float:
        """The largest of `others_busy`."""
        return max((each for each in self.others_busy if each is not None), default=0.0)

    def median(self, system: str, streams: int) -> Sample | None:
        """None if it was not measured."""
        samples = self.samples.get(system, {}).get(streams)
        return median_of(samples) if samples else None


def measure(plan: Plan, progress: Progress) -> Figures:
    """Raises `BenchmarkError`, `TeeTeeError`."""
    samples: dict[str, dict[int, list[Sample]]] = {}
    reads: list[dict[str, float]] = []
    others: list[float | None] = []
    with contextlib.ExitStack() as stack:
        running = _start(plan, stack, progress)
        reader = stack.enter_context(reading(plan.model.weights_per_token))
        for number in range(plan.rounds):
            others.append(busy_share(WAITING_SECONDS))
            reads.append(reader.seconds())
            for step in plan.round(number):
                name = step.system.name
                with progress.step(name, step.streams):
                    sample = running[step.system].sample(step.streams)
                samples.setdefault(name, {}).setdefault(step.streams, []).append(sample)
    return Figures(
        plan=plan,
        machine=Machine.here(),
        samples=samples,
        missing={each.name: each.missing for each in plan.systems if each.missing is not None},
        notes={system.name: each.note for system, each in running.items() if each.note},
        read_seconds=reads,
        others_busy=others,
    )


def _start(plan: Plan, stack: contextlib.ExitStack, progress: Progress) -> dict[System, Running]:
    """Once for all rounds. Who is not asked waits, and takes no processor time."""
    running: dict[System, Running] = {}
    for system in plan.systems:
        if system.missing is None:
            with progress.start(system.name):
                running[system] = stack.enter_context(system.open())
    return running

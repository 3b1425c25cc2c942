# SPDX-License-Identifier: Apache-2.0
"""Carries out a schedule: starts all systems, then samples them in turns, round by round."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.runtime.machine.description import MachineDescription, busy_share
from benchmarks.runtime.machine.memory_limit import start_reader
from benchmarks.runtime.measurement.sample import Sample, median_of
from benchmarks.runtime.measurement.system import RunningSystem, System
from benchmarks.runtime.schedule.progress import Progress
from benchmarks.runtime.schedule.schedule import Schedule

BUSY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The results of a schedule."""

    schedule: Schedule
    machine: MachineDescription
    samples: Mapping[str, Mapping[int, Sequence[Sample]]]
    """By system name and number of streams."""
    unavailable: Mapping[str, str]
    """The systems that were not measured, and why."""
    notes: Mapping[str, str]
    """By system name."""
    read_seconds: Sequence[Mapping[str, float]]
    """The time to read one byte per weight, by way of reading, once per round."""
    others_busy: Sequence[float | None]
    """The share of all cores' time that other processes used just before each round."""

    @property
    def max_others_busy(self) -> float:
        """The largest of `others_busy`."""
        return max((each for each in self.others_busy if each is not None), default=0.0)

    def median(self, system: str, streams: int) -> Sample | None:
        """The median sample; None if there is none."""
        samples = self.samples.get(system, {}).get(streams)
        return median_of(samples) if samples else None


def measure(schedule: Schedule, progress: Progress) -> Figures:
    """Measures everything on the schedule. Raises `BenchmarkError`, `TeeTeeError`."""
    samples: dict[str, dict[int, list[Sample]]] = {}
    reads: list[dict[str, float]] = []
    others: list[float | None] = []
    with contextlib.ExitStack() as stack:
        running = _start_systems(schedule, stack, progress)
        reader = stack.enter_context(start_reader(schedule.model.weights_per_token))
        for number in range(schedule.rounds):
            others.append(busy_share(BUSY_SECONDS))
            reads.append(reader.seconds())
            for turn in schedule.turns(number):
                name = turn.system.name
                with progress.turn(name, turn.streams):
                    sample = running[turn.system].sample(turn.streams)
                samples.setdefault(name, {}).setdefault(turn.streams, []).append(sample)
    return Figures(
        schedule=schedule,
        machine=MachineDescription.of_this_machine(),
        samples=samples,
        unavailable={
            each.name: each.unavailable_reason
            for each in schedule.systems
            if each.unavailable_reason is not None
        },
        notes={system.name: each.note for system, each in running.items() if each.note},
        read_seconds=reads,
        others_busy=others,
    )


def _start_systems(
    schedule: Schedule, stack: contextlib.ExitStack, progress: Progress
) -> dict[System, RunningSystem]:
    """Starts all systems once, for all rounds. Idle systems use no processor time."""
    running: dict[System, RunningSystem] = {}
    for system in schedule.systems:
        if system.unavailable_reason is None:
            with progress.start(system.name):
                running[system] = stack.enter_context(system.start())
    return running

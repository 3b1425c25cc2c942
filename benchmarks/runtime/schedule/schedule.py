# SPDX-License-Identifier: Apache-2.0
"""The schedule: which systems are measured with how many streams, how often, in which order."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.runtime.measurement.system import System
from benchmarks.runtime.measurement.workload import (
    CPU_PRECISIONS,
    FP32,
    FULL,
    INT8,
    QUICK,
    Workload,
)
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.systems import ring
from benchmarks.runtime.systems.llama_cpp import VARIABLE, LlamaCpp, find_programs
from benchmarks.runtime.systems.ring import Ring
from benchmarks.runtime.systems.transformers_system import Transformers


@dataclass(frozen=True, slots=True)
class Turn:
    """One sample of one system."""

    system: System
    streams: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is measured."""

    model: BenchmarkModel
    workload: Workload
    systems: Mapping[System, frozenset[int]]
    """With the numbers of streams of each."""
    repeats: Mapping[int, int]
    """By number of streams: more streams take longer and vary less."""
    quick: bool = False

    @property
    def rounds(self) -> int:
        """The number of rounds."""
        return max(self.repeats.values())

    def turns(self, round_number: int) -> Iterator[Turn]:
        """The turns of one round: all systems with one stream, then with two, and so on.

        Systems that are compared run right after each other, and each round is a full comparison.
        """
        for streams, repeats in self.repeats.items():
            if round_number < repeats:
                for system, stream_counts in self.systems.items():
                    if system.unavailable_reason is None and streams in stream_counts:
                        yield Turn(system, streams)

    def best_precision(self) -> str:
        """The precision of the ring that is compared with systems of any precision."""
        return INT8 if ring.unavailable_reason(INT8) is None else FP32


def full_schedule(model: BenchmarkModel) -> Schedule:
    """All systems; about half an hour."""
    few, some, all_of_them = frozenset({1, 8}), frozenset({1, 2, 8}), frozenset({1, 2, 8, 32})
    systems: dict[System, frozenset[int]] = {}
    for precision in CPU_PRECISIONS:
        systems[Ring(model, FULL, 1, 1, precision)] = frozenset({1})
        systems[Ring(model, FULL, 1, 2, precision)] = few
        systems[Ring(model, FULL, 2, 1, precision)] = all_of_them
        systems[Ring(model, FULL, 3, 1, precision)] = few
    systems |= _competitors(model, FULL, all_of_them)
    systems[Transformers(model, FULL, 1)] = few
    programs = find_programs(os.environ.get(VARIABLE))
    systems[LlamaCpp(model, FULL, programs, 0, 1)] = frozenset({1})
    systems[LlamaCpp(model, FULL, programs, 0, 2)] = some
    schedule = Schedule(model, FULL, systems, {1: 5, 2: 3, 8: 3, 32: 1})
    systems |= dict.fromkeys(_unprotected_rings(model, FULL, schedule.best_precision()), few)
    return schedule


def quick_schedule(model: BenchmarkModel) -> Schedule:
    """Only what the ratios need, with fewer tokens; under three minutes."""
    few = frozenset({1, 8})
    systems: dict[System, frozenset[int]] = {}
    schedule = Schedule(model, QUICK, systems, {1: 2, 8: 1}, quick=True)
    for precision in CPU_PRECISIONS:
        systems[Ring(model, QUICK, 2, 1, precision)] = few
    systems[Ring(model, QUICK, 1, 1, schedule.best_precision())] = frozenset({1})
    systems[Ring(model, QUICK, 3, 1, schedule.best_precision())] = frozenset({1})
    systems |= _competitors(model, QUICK, few)
    return schedule


def _competitors(
    model: BenchmarkModel, workload: Workload, streams: frozenset[int]
) -> dict[System, frozenset[int]]:
    """The systems that ratios compare with."""
    programs = find_programs(os.environ.get(VARIABLE))
    return {
        Transformers(model, workload, 2): streams,
        LlamaCpp(model, workload, programs, 2, 1): streams,
    }


def _unprotected_rings(
    model: BenchmarkModel, workload: Workload, precision: str
) -> tuple[Ring, ...]:
    """Rings without encryption or without commitments, to measure the cost of each."""
    return (
        Ring(model, workload, 2, 1, precision, encrypted=False),
        Ring(model, workload, 2, 1, precision, committed=False),
    )

# SPDX-License-Identifier: Apache-2.0
"""Which systems are measured with how many streams, how often, and in which order."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.runtime.engine import ring
from benchmarks.runtime.engine.ring import FP32, INT8, PRECISIONS, Ring
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.peers.llama_cpp import VARIABLE, LlamaCpp, find_programs
from benchmarks.runtime.peers.transformers_peer import Transformers
from benchmarks.runtime.system import System
from benchmarks.runtime.workload import FULL, QUICK, Workload


@dataclass(frozen=True, slots=True)
class Step:
    """One system, asked once."""

    system: System
    streams: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    model: BenchmarkModel
    workload: Workload
    systems: Mapping[System, frozenset[int]]
    """With how many streams each."""
    repeats: Mapping[int, int]
    """By number of streams: the more streams, the longer it takes and the steadier it is."""
    quick: bool = False

    @property
    def rounds(self) -> int:
        return max(self.repeats.values())

    def round(self, number: int) -> Iterator[Step]:
        """Everybody with one stream, everybody with two, and so on: what is compared stands next to
        each other in time, and each round is a whole comparison.
        """
        for streams, repeats in self.repeats.items():
            if number < repeats:
                for system, asked in self.systems.items():
                    if system.missing is None and streams in asked:
                        yield Step(system, streams)

    def best(self) -> str:
        """The precision whose ring is compared with peers of any precision."""
        return INT8 if ring.missing(INT8) is None else FP32


def full_plan(model: BenchmarkModel) -> Plan:
    """Everything; about half an hour."""
    few, some, all_of_them = frozenset({1, 8}), frozenset({1, 2, 8}), frozenset({1, 2, 8, 32})
    systems: dict[System, frozenset[int]] = {}
    for precision in PRECISIONS:
        systems[Ring(model, FULL, 1, 1, precision)] = frozenset({1})
        systems[Ring(model, FULL, 1, 2, precision)] = few
        systems[Ring(model, FULL, 2, 1, precision)] = all_of_them
        systems[Ring(model, FULL, 3, 1, precision)] = few
    systems |= _peers(model, FULL, all_of_them)
    systems[Transformers(model, FULL, 1)] = few
    programs = find_programs(os.environ.get(VARIABLE))
    systems[LlamaCpp(model, FULL, programs, 0, 1)] = frozenset({1})
    systems[LlamaCpp(model, FULL, programs, 0, 2)] = some
    plan = Plan(model, FULL, systems, {1: 5, 2: 3, 8: 3, 32: 1})
    systems |= dict.fromkeys(_variants(model, FULL, plan.best()), few)
    return plan


def quick_plan(model: BenchmarkModel) -> Plan:
    """The ratios alone, from fewer tokens; under three minutes."""
    few = frozenset({1, 8})
    systems: dict[System, frozenset[int]] = {}
    plan = Plan(model, QUICK, systems, {1: 2, 8: 1}, quick=True)
    for precision in PRECISIONS:
        systems[Ring(model, QUICK, 2, 1, precision)] = few
    systems[Ring(model, QUICK, 1, 1, plan.best())] = frozenset({1})
    systems[Ring(model, QUICK, 3, 1, plan.best())] = frozenset({1})
    systems |= _peers(model, QUICK, few)
    return plan


def _peers(
    model: BenchmarkModel, workload: Workload, streams: frozenset[int]
) -> dict[System, frozenset[int]]:
    """Those that ratios are made with."""
    programs = find_programs(os.environ.get(VARIABLE))
    return {
        Transformers(model, workload, 2): streams,
        LlamaCpp(model, workload, programs, 2, 1): streams,
    }


def _variants(model: BenchmarkModel, workload: Workload, precision: str) -> tuple[Ring, ...]:
    """What encryption and commitments cost, by leaving each out."""
    return (
        Ring(model, workload, 2, 1, precision, encrypted=False),
        Ring(model, workload, 2, 1, precision, committed=False),
    )

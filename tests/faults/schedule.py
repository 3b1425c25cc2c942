# SPDX-License-Identifier: Apache-2.0
"""Schedules of faults: the same seed and batch give the same faults. Pure.

A run is a sequence of batches; each batch has a schedule of its own, so that one can be replayed
alone. What is fixed is what happens to whom, and when in the batch. The operating system decides
which instruction that interrupts, so a replay meets the same situation often, not always.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.faults.fault import Fault, Kind

ENTRIES = ("entry", "second")
STAGES = ("middle", "middle-2", "last", "last-2")
ENCLAVES = ENTRIES + STAGES
NODES = 3
BATCH = 100
YEAR = 365 * 86_400

SHARES = {
    Kind.KILL: 3,
    Kind.REBOOT: 2,
    Kind.FREEZE: 12,
    Kind.CUT: 12,
    Kind.DELAY: 11,
    Kind.RPC_ERROR: 12,
    Kind.RPC_LIMIT: 9,
    Kind.RPC_LAG: 9,
    Kind.RPC_LIE: 9,
    Kind.REORG: 5,
    Kind.EVICTION: 2,
    Kind.DISK: 6,
    Kind.CLOCK: 6,
    Kind.BURST: 2,
}
"""Faults of each kind among a hundred."""

PER_SECOND = 6.0
"""Mean rate at which faults begin."""
RESTART_SECONDS = 8.0
"""A process that was killed is left alone for so long after its start."""


@dataclass(frozen=True)
class Schedule:
    """The faults of one batch, by their time."""

    seed: int
    batch: int
    faults: tuple[Fault, ...]


def make_schedule(
    seed: int, batch: int, count: int = BATCH, kinds: Collection[Kind] = tuple(Kind)
) -> Schedule:
    """`count` faults of these kinds, in their usual shares."""
    chance = Random(f"{seed}/{batch}")
    kinds_drawn = _deck(chance, count, [kind for kind in Kind if kind in kinds])
    busy: dict[str, float] = {}
    faults, now = [], 0.0
    for number, kind in enumerate(kinds_drawn):
        now += chance.expovariate(PER_SECOND)
        faults.append(_fault(chance, number, kind, now, busy))
    return Schedule(seed, batch, tuple(sorted(faults, key=lambda fault: fault.at)))


def _deck(chance: Random, count: int, kinds: list[Kind]) -> list[Kind]:
    """Kinds in random order, each as often as its share says."""
    total = sum(SHARES[kind] for kind in kinds)
    drawn: list[Kind] = []
    for kind in kinds:
        exact = count * SHARES[kind] / total
        drawn += [kind] * (int(exact) + (chance.random() < exact % 1))
    while len(drawn) < count:
        drawn.append(chance.choice(kinds))
    chance.shuffle(drawn)
    return drawn[:count]


def _fault(chance: Random, number: int, kind: Kind, at: float, busy: dict[str, float]) -> Fault:
    seconds, details = _shape(chance, kind)
    candidates = list(_targets(kind))
    chance.shuffle(candidates)
    # One fault at a time for each process, port, node and disk; the one that is free first.
    place = _place(kind)
    target: str = min(candidates, key=lambda name: busy.get(f"{place}/{name}", 0.0) > at)
    key = f"{place}/{target}"
    begin = max(at, busy.get(key, 0.0))
    pause = RESTART_SECONDS if kind in (Kind.KILL, Kind.REBOOT, Kind.EVICTION) else 0.0
    busy[key] = begin + seconds + pause
    return Fault(number, kind, begin, seconds, target, details)


def _place(kind: Kind) -> str:
    """Faults with the same place and target follow each other."""
    match kind:
        case Kind.KILL | Kind.REBOOT | Kind.FREEZE | Kind.EVICTION:
            return "process"
        case Kind.CUT | Kind.DELAY:
            return "port"
        case Kind.RPC_ERROR | Kind.RPC_LIMIT | Kind.RPC_LAG | Kind.RPC_LIE:
            return "node"
        case _:
            return str(kind.value)


def _targets(kind: Kind) -> Iterator[str]:
    match kind:
        case Kind.FREEZE:
            yield from ENCLAVES
            yield from ("chain", "collateral", *(f"machine:{name}" for name in ENTRIES))
        case Kind.RPC_ERROR | Kind.RPC_LIMIT | Kind.RPC_LAG:
            # The views of one enclave, of all nodes or of one; or one node for everybody.
            yield from (f"{name}@all" for name in ENCLAVES)
            yield from (f"{name}@{node}" for name in ENCLAVES for node in range(NODES))
            yield from (f"all@{node}" for node in range(NODES))
        case Kind.RPC_LIE:
            # Always the same node: two that lie about the same are a majority.
            yield from (f"{name}@{NODES - 1}" for name in (*ENCLAVES, "all"))
        case Kind.REORG | Kind.BURST:
            yield "chain"
        case _:
            yield from ENCLAVES


_SECONDS = {
    Kind.KILL: (0.0, 0.5, 2.0, 2.0, 15.0),
    Kind.REBOOT: (0.0, 0.5, 2.0),
    Kind.FREEZE: (0.1, 0.5, 1.0, 2.0, 4.0),
    Kind.CUT: (0.0, 0.3, 1.0, 3.0),
    Kind.DELAY: (0.5, 1.0, 2.0),
    Kind.RPC_ERROR: (0.3, 1.0, 3.0),
    Kind.RPC_LIMIT: (0.3, 1.0, 3.0),
    Kind.RPC_LAG: (0.5, 2.0, 4.0),
    Kind.RPC_LIE: (0.5, 2.0, 4.0),
    Kind.EVICTION: (6.0,),
    Kind.DISK: (0.5, 2.0, 5.0),
    Kind.CLOCK: (1.0, 3.0, 6.0),
}
"""How long faults of each kind last."""

_DETAILS: dict[Kind, tuple[str, tuple[Any, ...]]] = {
    Kind.DELAY: ("late", (0.02, 0.1, 0.4, None)),
    Kind.RPC_ERROR: ("how", ("http", "json", "garbage", "empty", "silent", "closed", "slow")),
    Kind.RPC_LIMIT: ("how", ("http", "json")),
    Kind.RPC_LAG: ("blocks", (1, 2, 3, 8)),
    Kind.RPC_LIE: ("about", ("state", "head", "logs", "receipt", "chain", "fees")),
    Kind.DISK: ("how", ("full", "locked")),
    Kind.CLOCK: ("shift", (YEAR, -YEAR, 3601, -3607, 20 * YEAR)),
    Kind.BURST: ("requests", (20, 40, 80, 300)),
}
"""What else is chosen for a kind, and from what. None for a delay: until its end."""


def _shape(chance: Random, kind: Kind) -> tuple[float, dict[str, Any]]:
    """How long it lasts, and its details."""
    if kind is Kind.REORG:
        return 0.0, _reorg_shape(chance)
    seconds = chance.choice(_SECONDS.get(kind, (0.0,)))
    name, choices = _DETAILS.get(kind, ("", ()))
    return seconds, {name: chance.choice(choices)} if choices else {}


def _reorg_shape(chance: Random) -> dict[str, Any]:
    """The new blocks have the same transactions at once, in another order, or none of them: those
    that sent them have to send them again, so few seconds may be lost.
    """
    how = chance.choice(("same", "shuffled", "dropped"))
    deepest = 6 if how == "dropped" else 64
    return {"how": how, "depth": min(deepest, int(2 ** chance.uniform(0, 6.05)))}

# SPDX-License-Identifier: Apache-2.0
"""The chain of hosts whose slowest stage is fastest. Pure.

Exact in that, for up to EXACT_HOSTS hosts in any order: with a bound on a stage's time, taking as
many layers as the bound and the memory allow is best for whoever comes first, since who begins
later never ends earlier. So the farthest layer that a set of hosts reaches follows from those of
its subsets, and the least bound that reaches the end is found by halving. More hosts are taken in
the order of their speed. Among chains within that bound a short round is looked for, not proven.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from shard_tools.plan.demand import Demand
from shard_tools.plan.hosts import Host, way_seconds
from teetee.protocol.layers import LayerRange

EXACT_HOSTS = 8

_EVENNESS = 1e-3
"""How much a stage's nearness to the bound counts beside its time: settles ties evenly."""

Order = tuple[int, ...]
"""Hosts by their numbers, the entry first."""


@dataclass(frozen=True, slots=True)
class Link:
    """One host of a chain, and what it serves."""

    host: Host
    layers: LayerRange


class Search:
    """Over hosts for one model."""

    def __init__(self, demand: Demand, hosts: Sequence[Host], most: int) -> None:
        """most: stages."""
        self._demand = demand
        self._hosts = tuple(hosts)
        self._most = most
        self._end = demand.layer_count
        self._entries = [number for number, host in enumerate(hosts) if host.may_enter]
        self.farthest = cache(self._farthest)

    def reach(self, bound: float) -> int:
        """How many layers, from the first, can be served with no stage slower than that."""
        if len(self._hosts) <= EXACT_HOSTS:
            return max(end for end, _ in self._reach_of_sets(bound).values())
        return max((self._reach_in_order(order, bound)[0] for order in self._by_speed()), default=0)

    def chain(self) -> list[Link]:
        """Raises `ValueError` where `reach(inf)` is not the end."""
        bound = self._least_bound()
        if len(self._hosts) <= EXACT_HOSTS:
            order = self._shortest_round(bound)
        else:
            ways = [self._reach_in_order(order, bound) for order in self._by_speed()]
            order = next(order for end, order in ways if end == self._end)
        ends = self._cuts(order, bound)
        firsts = [0, *ends[:-1]]
        return [
            Link(self._hosts[number], LayerRange(first, end))
            for number, first, end in zip(order, firsts, ends, strict=True)
        ]

    def _farthest(self, number: int, first: int, is_entry: bool, bound: float) -> int:
        """Where a host ends that begins there; `first` where it can take no layer."""
        low, high = first, self._end
        while low < high:
            middle = (low + high + 1) // 2
            if self._can(number, LayerRange(first, middle), is_entry, bound):
                low = middle
            else:
                high = middle - 1
        return low

    def _can(self, number: int, layers: LayerRange, is_entry: bool, bound: float) -> bool:
        host = self._hosts[number]
        fits = self._demand.memory(layers, is_entry=is_entry) <= host.memory
        return fits and self._seconds(number, layers, is_entry) <= bound

    def _seconds(self, number: int, layers: LayerRange, is_entry: bool) -> float:
        return self._hosts[number].seconds(self._demand.of(layers, is_entry=is_entry))

    # ------------------------------------------------------------ the least bound

    def _least_bound(self) -> float:
        """One of all times that a stage can take."""
        times = sorted(set(self._times()))
        low, high = 0, len(times) - 1
        if high < 0 or self.reach(times[high]) < self._end:
            raise ValueError("the hosts do not reach the last layer")
        while low < high:
            middle = (low + high) // 2
            if self.reach(times[middle]) == self._end:
                high = middle
            else:
                low = middle + 1
        return times[low]

    def _times(self) -> Iterator[float]:
        for number in range(len(self._hosts)):
            for first in range(self._end):
                for end in range(first + 1, self._end + 1):
                    yield self._seconds(number, LayerRange(first, end), False)
        for number in self._entries:
            for end in range(1, self._end + 1):
                yield self._seconds(number, LayerRange(0, end), True)

    def _reach_of_sets(self, bound: float) -> dict[int, tuple[int, int]]:
        """By set of hosts, as bits: the farthest layer that a chain of all of them ends at, and
        how many they are. Sets of which one host would take no layer are left out.
        """
        found = {1 << entry: self._entry_reach(entry, bound) for entry in self._entries}
        best = {chosen: (end, 1) for chosen, end in found.items() if end} or {0: (0, 0)}
        wave = dict(best)
        while wave:
            following: dict[int, tuple[int, int]] = {}
            for chosen, (end, count) in wave.items():
                for number in range(len(self._hosts)) if 0 < count < self._most else ():
                    if chosen >> number & 1 or end == self._end:
                        continue
                    further = self.farthest(number, end, False, bound)
                    key = chosen | 1 << number
                    if further > max(end, following.get(key, (0, 0))[0]):
                        following[key] = (further, count + 1)
            best |= following
            wave = following
        return best

    def _entry_reach(self, entry: int, bound: float) -> int:
        return self.farthest(entry, 0, True, bound)

    # ------------------------------------------------------------ the order

    def _shortest_round(self, bound: float) -> Order:
        """Of all orders that reach the end, each host filled up to the bound."""
        best: tuple[float, Order] = (float("inf"), ())

        def visit(order: Order, end: int, seconds: float) -> None:
            nonlocal best
            if seconds >= best[0]:
                return
            if end == self._end:
                whole = seconds + self._way(order[-1], order[0])
                best = min(best, (whole, order))
                return
            for number in range(len(self._hosts)) if len(order) < self._most else ():
                further = end if number in order else self.farthest(number, end, False, bound)
                if further > end:
                    taken = self._seconds(number, LayerRange(end, further), False)
                    visit((*order, number), further, seconds + taken + self._way(order[-1], number))

        for entry in self._entries:
            if end := self._entry_reach(entry, bound):
                visit((entry,), end, self._seconds(entry, LayerRange(0, end), True))
        return best[1]

    def _by_speed(self) -> Iterator[Order]:
        """Each entry, then all others, the fastest first; after these, the largest first."""
        whole = self._demand.of(LayerRange(0, self._end), is_entry=False)
        numbers = range(len(self._hosts))
        by_speed = sorted(numbers, key=lambda number: self._hosts[number].seconds(whole))
        by_memory = sorted(numbers, key=lambda number: -self._hosts[number].memory)
        for ranked in (by_speed, by_memory):
            for entry in ranked:
                if self._hosts[entry].may_enter:
                    yield (entry, *(number for number in ranked if number != entry))

    def _reach_in_order(self, order: Order, bound: float) -> tuple[int, Order]:
        """The farthest layer, and those of them who took any."""
        end = 0
        used: list[int] = []
        for number in order:
            further = end
            if end < self._end and len(used) < self._most:
                further = self.farthest(number, end, not used, bound)
            if further == end and not used:
                break  # the entry itself takes none
            if further > end:
                used.append(number)
            end = further
        return end, tuple(used)

    def _way(self, one: int, other: int) -> float:
        return way_seconds(self._hosts[one], self._hosts[other])

    # ------------------------------------------------------------ where to cut

    def _cuts(self, order: Order, bound: float) -> list[int]:
        """Ends of the stages, each at least a layer and within the bound: the least time in all,
        among equals the evenest.
        """
        best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
        for place, number in enumerate(order):
            following: dict[int, tuple[float, list[int]]] = {}
            for first, (before, ends) in best.items():
                limit = self.farthest(number, first, place == 0, bound)
                for end in range(first + 1, limit + 1):
                    taken = self._seconds(number, LayerRange(first, end), place == 0)
                    cost = before + taken * (1 + _EVENNESS * taken / bound)
                    if end not in following or cost < following[end][0]:
                        following[end] = (cost, [*ends, end])
            best = following
        return best[self._end][1]

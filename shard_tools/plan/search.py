# SPDX-License-Identifier: Apache-2.0
"""Searches for the chain of hosts whose slowest stage is fastest. Pure.

For up to MAX_EXACT_HOSTS hosts the search is exact over all orders. Given a bound on a stage's
time, each host greedily serves as many layers as bound and memory allow: a stage that begins later
never ends earlier. So the farthest layer reached by a set of hosts follows from its subsets, and
bisection finds the smallest bound that reaches the last layer. Larger groups are tried in order of
speed and of memory. Among the chains within the bound, the search prefers a short round trip but
does not prove it minimal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from shard_tools.plan.demand import ModelDemand
from shard_tools.plan.hosts import HostSpec, one_way_seconds
from teetee.protocol.layers import LayerRange

MAX_EXACT_HOSTS = 8

_EVENNESS = 1e-3
"""Weight of a stage's closeness to the bound beside its time: breaks ties towards even loads."""

Order = tuple[int, ...]
"""Host numbers, the entry first."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One host of a chain and the layers it serves."""

    host: HostSpec
    layers: LayerRange


class ChainSearch:
    """Searches the chains of some hosts for one model."""

    def __init__(self, demand: ModelDemand, hosts: Sequence[HostSpec], max_stages: int) -> None:
        self._demand = demand
        self._hosts = tuple(hosts)
        self._max_stages = max_stages
        self._layer_count = demand.layer_count
        self._entries = [number for number, host in enumerate(hosts) if host.can_be_entry]
        self._farthest = cache(self._compute_farthest)

    def reach(self, bound: float) -> int:
        """How many layers, from the first, can be served with no stage slower than `bound`."""
        if len(self._hosts) <= MAX_EXACT_HOSTS:
            return max(end for end, _ in self._reach_of_sets(bound).values())
        return max(
            (self._reach_in_order(order, bound)[0] for order in self._ranked_orders()), default=0
        )

    def find_chain(self) -> list[Assignment]:
        """The best chain. Raises `ValueError` if `reach(inf)` is not the last layer."""
        bound = self._smallest_bound()
        if len(self._hosts) <= MAX_EXACT_HOSTS:
            order = self._order_of_shortest_round(bound)
        else:
            reached = [self._reach_in_order(order, bound) for order in self._ranked_orders()]
            order = next(order for end, order in reached if end == self._layer_count)
        ends = self._even_cuts(order, bound)
        firsts = [0, *ends[:-1]]
        return [
            Assignment(self._hosts[number], LayerRange(first, end))
            for number, first, end in zip(order, firsts, ends, strict=True)
        ]

    def _compute_farthest(self, number: int, first: int, is_entry: bool, bound: float) -> int:
        """The farthest end of a host's range from `first` on; `first` if it fits no layer."""
        low, high = first, self._layer_count
        while low < high:
            middle = (low + high + 1) // 2
            if self._fits(number, LayerRange(first, middle), is_entry, bound):
                low = middle
            else:
                high = middle - 1
        return low

    def _fits(self, number: int, layers: LayerRange, is_entry: bool, bound: float) -> bool:
        needed = self._demand.process_bytes(layers, is_entry=is_entry)
        fits = needed <= self._hosts[number].memory_bytes
        return fits and self._seconds(number, layers, is_entry) <= bound

    def _seconds(self, number: int, layers: LayerRange, is_entry: bool) -> float:
        return self._hosts[number].seconds(self._demand.of_range(layers, is_entry=is_entry))

    # -- the smallest bound ---------------------------------------------------

    def _smallest_bound(self) -> float:
        """The smallest of all possible stage times that reaches the last layer."""
        times = sorted(set(self._stage_times()))
        low, high = 0, len(times) - 1
        if high < 0 or self.reach(times[high]) < self._layer_count:
            raise ValueError("the hosts do not reach the last layer")
        while low < high:
            middle = (low + high) // 2
            if self.reach(times[middle]) == self._layer_count:
                high = middle
            else:
                low = middle + 1
        return times[low]

    def _stage_times(self) -> Iterator[float]:
        for number in range(len(self._hosts)):
            for first in range(self._layer_count):
                for end in range(first + 1, self._layer_count + 1):
                    yield self._seconds(number, LayerRange(first, end), False)
        for number in self._entries:
            for end in range(1, self._layer_count + 1):
                yield self._seconds(number, LayerRange(0, end), True)

    def _reach_of_sets(self, bound: float) -> dict[int, tuple[int, int]]:
        """By set of hosts, as bits: the farthest layer reached by a chain of all of them, and its
        length. Leaves out sets in which a host would serve no layer.
        """
        found = {1 << entry: self._entry_reach(entry, bound) for entry in self._entries}
        best = {members: (end, 1) for members, end in found.items() if end} or {0: (0, 0)}
        wave = dict(best)
        while wave:
            wave = self._extended_sets(wave, bound)
            best |= wave
        return best

    def _extended_sets(
        self, wave: dict[int, tuple[int, int]], bound: float
    ) -> dict[int, tuple[int, int]]:
        """The sets that have one host more than those of `wave`."""
        extended: dict[int, tuple[int, int]] = {}
        for members, (end, count) in wave.items():
            if not 0 < count < self._max_stages or end == self._layer_count:
                continue
            for number in range(len(self._hosts)):
                if members >> number & 1:
                    continue
                farther = self._farthest(number, end, False, bound)
                key = members | 1 << number
                if farther > max(end, extended.get(key, (0, 0))[0]):
                    extended[key] = (farther, count + 1)
        return extended

    def _entry_reach(self, entry: int, bound: float) -> int:
        return self._farthest(entry, 0, True, bound)

    # -- the order of hosts ---------------------------------------------------

    def _order_of_shortest_round(self, bound: float) -> Order:
        """Of all orders that reach the last layer with each host filled up to the bound."""
        best: tuple[float, Order] = (float("inf"), ())

        def visit(order: Order, end: int, seconds: float) -> None:
            nonlocal best
            if seconds >= best[0]:
                return
            if end == self._layer_count:
                whole = seconds + self._link_seconds(order[-1], order[0])
                best = min(best, (whole, order))
                return
            for number in range(len(self._hosts)) if len(order) < self._max_stages else ():
                farther = end if number in order else self._farthest(number, end, False, bound)
                if farther > end:
                    computing = self._seconds(number, LayerRange(end, farther), False)
                    link = self._link_seconds(order[-1], number)
                    visit((*order, number), farther, seconds + computing + link)

        for entry in self._entries:
            if end := self._entry_reach(entry, bound):
                visit((entry,), end, self._seconds(entry, LayerRange(0, end), True))
        return best[1]

    def _ranked_orders(self) -> Iterator[Order]:
        """Each entry followed by all others: first ranked by speed, then by memory."""
        whole = self._demand.of_range(LayerRange(0, self._layer_count), is_entry=False)
        numbers = range(len(self._hosts))
        by_speed = sorted(numbers, key=lambda number: self._hosts[number].seconds(whole))
        by_memory = sorted(numbers, key=lambda number: -self._hosts[number].memory_bytes)
        for ranked in (by_speed, by_memory):
            for entry in ranked:
                if self._hosts[entry].can_be_entry:
                    yield (entry, *(number for number in ranked if number != entry))

    def _reach_in_order(self, order: Order, bound: float) -> tuple[int, Order]:
        """The farthest layer reached in this order, and the hosts that serve a layer."""
        end = 0
        used: list[int] = []
        for number in order:
            farther = end
            if end < self._layer_count and len(used) < self._max_stages:
                farther = self._farthest(number, end, not used, bound)
            if farther == end and not used:
                break  # the entry itself fits no layer
            if farther > end:
                used.append(number)
            end = farther
        return end, tuple(used)

    def _link_seconds(self, one: int, other: int) -> float:
        return one_way_seconds(self._hosts[one], self._hosts[other])

    # -- where to cut ---------------------------------------------------------

    def _even_cuts(self, order: Order, bound: float) -> list[int]:
        """The ends of the stages, each with at least one layer and within the bound.

        Minimises the total time; prefers even loads among equals.
        """
        best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
        for index, number in enumerate(order):
            extended: dict[int, tuple[float, list[int]]] = {}
            for first, (cost_before, ends) in best.items():
                limit = self._farthest(number, first, index == 0, bound)
                for end in range(first + 1, limit + 1):
                    seconds = self._seconds(number, LayerRange(first, end), index == 0)
                    cost = cost_before + seconds * (1 + _EVENNESS * seconds / bound)
                    if end not in extended or cost < extended[end][0]:
                        extended[end] = (cost, [*ends, end])
            best = extended
        return best[self._layer_count][1]

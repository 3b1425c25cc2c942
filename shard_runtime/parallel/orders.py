"""All that rank 0 tells the others, and how it is written: a kind and its numbers, as integers.

The rows of a `Forward` follow it, as a tensor of their own.
"""

from dataclasses import dataclass

_OPEN, _CLOSE, _FORWARD, _STOP = range(4)


@dataclass(frozen=True, slots=True)
class OpenCache:
    """Make room for a run."""

    cache: int
    capacity: int


@dataclass(frozen=True, slots=True)
class CloseCache:
    """Free a run's room."""

    cache: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Compute rows, which follow."""

    spans: tuple[tuple[int, int, int], ...]
    """Cache, first position, rows."""

    @property
    def rows(self) -> int:
        return sum(rows for _, _, rows in self.spans)


@dataclass(frozen=True, slots=True)
class Stop:
    """End the process."""


Order = OpenCache | CloseCache | Forward | Stop


def encode(order: Order) -> tuple[int, ...]:
    if isinstance(order, OpenCache):
        return (_OPEN, order.cache, order.capacity)
    if isinstance(order, CloseCache):
        return (_CLOSE, order.cache)
    if isinstance(order, Forward):
        return (_FORWARD, *(number for span in order.spans for number in span))
    return (_STOP,)


def decode(numbers: tuple[int, ...]) -> Order:
    """From our own rank 0: a number too few is our own mistake."""
    kind, *rest = numbers
    if kind == _OPEN:
        return OpenCache(*rest)
    if kind == _CLOSE:
        return CloseCache(*rest)
    if kind == _FORWARD:
        spans = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
        return Forward(tuple(spans))
    assert kind == _STOP
    return Stop()

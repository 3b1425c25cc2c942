"""Rings in which some layers are served twice, and a stage that stops at a chosen moment."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shard_runtime import EntrySettings, ModelSource
from shard_runtime.errors import PathInvalid
from shard_runtime.frames import Batch, Hidden, decode
from shard_runtime.links.memory_links import Tamper
from teetee.identifiers import ShardId
from teetee.layers import LayerRange
from tests.shard_runtime.rings import QUICK_ENTRY, Ring, running

MIDDLE, LAST, MIDDLE_TWICE, LAST_TWICE = (ShardId(number) for number in (2, 3, 4, 5))


class Replicas:
    """Three stages; the two behind the entry stand twice. Chooses the first of each that may be
    taken.
    """

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.gone: set[ShardId] = set()
        self.refused = 0
        """How often there was no path."""

    def choose(self, avoiding: frozenset[ShardId]) -> Sequence[ShardId]:
        path = [ShardId(1)]
        for choices in ((MIDDLE, MIDDLE_TWICE), (LAST, LAST_TWICE)):
            left = [each for each in choices if each not in avoiding | self.gone]
            if not left:
                self.refused += 1
                raise PathInvalid("lacks a stage")
            path.append(left[0])
        return path

    def ask(self, prompt: Sequence[int], max_tokens: int, **options: Any) -> Any:
        options.setdefault("paths", self.choose)
        options.setdefault("salt_of", lambda hop: bytes([hop]) * 32)
        return self.ring.ask(prompt, max_tokens, **options)


@contextmanager
def replicated(
    source: ModelSource,
    tamper: Tamper | None = None,
    settings: EntrySettings = QUICK_ENTRY,
    **loading: Any,
) -> Iterator[Replicas]:
    layers = source.architecture.layer_count
    first, second = layers // 3, 2 * layers // 3
    middle, last = LayerRange(first, second), LayerRange(second, layers)
    splits = [LayerRange(0, first), middle, last, middle, last]
    with running(
        source, 5, tamper=tamper, entry_settings=settings, splits=splits, **loading
    ) as ring:
        yield Replicas(ring)


class Freeze:
    """Nothing reaches a stage any more once so many frames of rows have, nor comes from it: a
    process that is stopped, or a host that is cut off.
    """

    def __init__(self, shard_id: ShardId, after: int) -> None:
        self.shard_id = shard_id
        self.after = after
        self.seen = 0

    @property
    def is_frozen(self) -> bool:
        return self.seen > self.after

    def __call__(self, receiver: ShardId, body: bytes) -> bytes | None:
        if receiver != self.shard_id:
            return body
        if isinstance(decode(body), (Hidden, Batch)):
            self.seen += 1
        return None if self.is_frozen else body

# SPDX-License-Identifier: Apache-2.0
"""Which shards a request avoids, and for how long.

given a shard that failed
    it should be avoided for a second, then for twice as long each time
given one that had no room
    it should be avoided for a quarter of a second, then longer, two seconds at most
given one that broke the protocol
    it should be avoided for good
given a failure of the entry itself
    it should be raised: no other path would help
given a chooser that has no path, or returns one over an avoided shard
    there should be none, and the last failure say why
"""

from collections.abc import Sequence

import pytest

from shard_runtime.abort_reason import AbortReason
from shard_runtime.engine.entry.path_search import (
    PathFailure,
    PathSearch,
    Suspects,
    blamed_for,
    fixed_path,
    suspects_of,
)
from shard_runtime.errors import (
    LinkCongested,
    PeerUnknown,
    StageFailed,
    StageMisbehaved,
    StageSilent,
)
from teetee.errors import Retryable
from teetee.protocol.identifiers import ShardId

SELF_ID, FIRST, SECOND = ShardId(1), ShardId(2), ShardId(3)
LOST = StageFailed(1, FIRST, AbortReason.LINK_LOST)


class Chooser:
    """Gives a path over either replica."""

    def __init__(self) -> None:
        self.avoided: frozenset[ShardId] = frozenset()

    def __call__(self, avoiding: frozenset[ShardId]) -> Sequence[ShardId]:
        self.avoided = avoiding
        for shard_id in (FIRST, SECOND):
            if shard_id not in avoiding:
                return [SELF_ID, shard_id]
        raise Retryable("none")


def test_next_path__nothing_failed__avoids_no_shard() -> None:
    chooser = Chooser()
    assert PathSearch(chooser, SELF_ID).next_path(0.0) == (SELF_ID, FIRST)
    assert chooser.avoided == frozenset()


def test_next_path__after_failures__avoids_longer_each_time() -> None:
    search, now = PathSearch(Chooser(), SELF_ID), 0.0
    for seconds in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        search.record_failure(LOST, now)
        assert search.next_path(now + seconds - 0.01) == (SELF_ID, SECOND)
        now += seconds
        assert search.next_path(now) == (SELF_ID, FIRST)


def test_next_path__shard_had_no_room__comes_back_soon_every_time() -> None:
    search, now = PathSearch(Chooser(), SELF_ID), 0.0
    for seconds in (0.25, 0.5, 1.0, 2.0, 2.0):
        search.record_failure(StageFailed(1, FIRST, AbortReason.CACHE_FULL), now)
        assert search.next_path(now + seconds - 0.01) == (SELF_ID, SECOND)
        now += seconds
        assert search.next_path(now) == (SELF_ID, FIRST)


def test_next_path__shard_broke_the_protocol__never_comes_back() -> None:
    search = PathSearch(Chooser(), SELF_ID)
    search.record_failure(StageMisbehaved(1, FIRST, "lied"), 0.0)
    assert search.next_path(1e9) == (SELF_ID, SECOND)


@pytest.mark.parametrize(
    ("error", "shards"),
    [
        (LOST, {FIRST}),
        (StageSilent((FIRST, SECOND), 3.0), {FIRST, SECOND}),
        (StageMisbehaved(1, SECOND, "lied"), {SECOND}),
        (PeerUnknown(FIRST), {FIRST}),
        (LinkCongested(FIRST, 9, 9), {FIRST}),
    ],
    ids=["failed", "silent", "misbehaved", "unknown", "congested"],
)
def test_blamed_for__any_failure__names_its_shards(
    error: PathFailure, shards: set[ShardId]
) -> None:
    assert blamed_for(error) == shards


def test_failed__by_our_own_doing__raises() -> None:
    search = PathSearch(Chooser(), SELF_ID)
    own = StageFailed(0, SELF_ID, AbortReason.INTERNAL)
    with pytest.raises(StageFailed) as raised:
        search.record_failure(own, 0.0)
    assert raised.value is own


def test_next_path__all_are_avoided__has_none_and_says_what_broke() -> None:
    search = PathSearch(Chooser(), SELF_ID)
    search.record_failure(StageSilent((FIRST, SECOND), 3.0), 0.0)
    assert search.next_path(0.5) is None
    assert isinstance(search.last_failure, StageSilent)


def test_next_path__chooser_has_none_from_the_start__says_why() -> None:
    def none(_: frozenset[ShardId]) -> Sequence[ShardId]:
        raise Retryable("no shard serves the rest")

    search = PathSearch(none, SELF_ID)
    assert search.next_path(0.0) is None
    assert "no shard serves the rest" in str(search.last_failure)


def test_next_path__fixed_one_with_a_shard_that_failed__has_none_until_it_may_come_back() -> None:
    search = PathSearch(fixed_path([SELF_ID, FIRST]), SELF_ID)
    search.record_failure(LOST, 0.0)
    assert search.next_path(0.9) is None
    assert search.next_path(1.0) == (SELF_ID, FIRST)


PAIR = frozenset({FIRST, SECOND})


@pytest.mark.parametrize(
    ("error", "suspects"),
    [
        (StageSilent((FIRST, SECOND), 3.0), Suspects(pairs=frozenset({PAIR}))),
        (StageSilent((FIRST,), 3.0), Suspects(shards=frozenset({FIRST}))),
        (
            StageFailed(2, SECOND, AbortReason.LINK_LOST, reporter=FIRST),
            Suspects(pairs=frozenset({PAIR})),
        ),
        (
            StageFailed(1, FIRST, AbortReason.IDLE, reporter=SECOND),
            Suspects(pairs=frozenset({PAIR})),
        ),
        (StageMisbehaved(1, FIRST, "lied", reporter=SECOND), Suspects(pairs=frozenset({PAIR}))),
        (
            StageFailed(1, FIRST, AbortReason.CACHE_FULL, reporter=FIRST),
            Suspects(shards=frozenset({FIRST})),
        ),
        (
            StageFailed(0, SELF_ID, AbortReason.LINK_LOST, reporter=SECOND),
            Suspects(shards=frozenset({SECOND})),
        ),
        (LOST, Suspects(shards=frozenset({FIRST}))),
        (PeerUnknown(FIRST), Suspects(shards=frozenset({FIRST}))),
    ],
    ids=[
        "link black-holed",
        "one keeps rows",
        "reports the next one",
        "reports the one before",
        "accuses another",
        "itself full",
        "accuses the entry",
        "entry found out",
        "unknown",
    ],
)
def test_a8__link_lost_or_another_accused__others_avoid_the_pair(
    error: PathFailure, suspects: Suspects
) -> None:
    assert suspects_of(error) == suspects


def test_a8__last_stage_cuts_its_link_to_the_entry__another_path_is_used() -> None:
    search = PathSearch(Chooser(), SELF_ID)
    cut = StageFailed(0, SELF_ID, AbortReason.LINK_LOST, reporter=FIRST)
    search.record_failure(cut, 0.0)
    assert search.next_path(0.5) == (SELF_ID, SECOND)

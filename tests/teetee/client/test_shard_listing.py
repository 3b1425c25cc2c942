# SPDX-License-Identifier: Apache-2.0
"""Where a new host is wanted.

given the active shards of a model
    when no shard serves some layers
        it should name them
    when a path exists
        it should name each shard without which there would be none, and no other
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from teetee.chain.types.blocks import Block
from teetee.chain.types.models import Model
from teetee.chain.types.shards import Shard
from teetee.client.shard_listing import ModelListing, OpenSlot
from teetee.protocol.identifiers import ModelId
from teetee.protocol.layers import LayerRange
from tests.teetee.client.evidence_factory import address
from tests.teetee.client.test_recipients import make_shard, ranges

MODEL = Model(
    model_id=ModelId(1),
    name="tiny",
    layer_digests=(bytes(32),) * 8,
    embedding_digest=bytes(32),
    head_digest=bytes(32),
    context_length=64,
    input_price=1,
    output_price=2,
    entry_layer_equivalents=1,
    royalty_bps=0,
    royalty_recipient=address(1),
    manifest_uri="",
)


def supply(*shards: Shard) -> ModelListing:
    return ModelListing(MODEL, shards, Block(1, bytes(32), 500))


def slots(*shards: Shard) -> list[str]:
    return [str(slot) for slot in supply(*shards).open_slots]


def test_open_slots__a_gap__is_named_before_replicas() -> None:
    assert slots(make_shard(1, 0, 4, is_entry=True), make_shard(2, 6, 8)) == [
        "layers 0-4: one shard, no replica",
        "layers 4-6: no shard",
        "layers 6-8: one shard, no replica",
    ]
    assert slots() == ["layers 0-8: no shard"]


def test_open_slots__one_range_has_a_replica__names_the_others() -> None:
    entry, *replicas = make_shard(1, 0, 4, is_entry=True), make_shard(2, 4, 8), make_shard(3, 4, 8)
    assert slots(entry, *replicas) == ["layers 0-4: one shard, no replica"]
    assert slots(entry, replicas[0], replace(replicas[1], is_active=False)) == [
        "layers 0-4: one shard, no replica",
        "layers 4-8: one shard, no replica",
    ]


def test_open_slots__a_shard_stands_on_no_path__is_no_replica() -> None:
    shards = make_shard(1, 0, 4, is_entry=True), make_shard(2, 4, 8), make_shard(3, 3, 8)
    assert OpenSlot(LayerRange(4, 8), 1) in supply(*shards).open_slots


@given(st.lists(st.tuples(ranges, st.booleans()), min_size=1, max_size=12))
def test_open_slots__any_with_a_path__are_those_without_whom_there_is_none(
    drawn: list[tuple[tuple[int, int], bool]],
) -> None:
    shards = [
        make_shard(number, *bounds, is_entry=entry and bounds[0] == 0)
        for number, (bounds, entry) in enumerate(drawn, start=1)
    ]
    whole = supply(*shards)
    if whole.has_path:
        needed = {
            each.layers
            for each in shards
            if not supply(*(other for other in shards if other is not each)).has_path
        }
        assert {slot.layers for slot in whole.open_slots} == needed

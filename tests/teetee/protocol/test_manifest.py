# SPDX-License-Identifier: Apache-2.0
"""Layer ranges and model manifests.

given a range
    when it is empty, reversed, or beyond the chain's limit
        it should be refused
given a manifest
    when it is written and read
        it should be the same
    when a field is missing, unknown or wrong
        the error should name it
    when a slice is hashed
        only an entry's should include embedding and head
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.errors import FieldInvalid, ManifestInvalid
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from teetee.protocol.typed_data import keccak256

MANIFEST = ModelManifest(
    name="a model",
    layer_count=3,
    config_digest=b"\x01" * 32,
    layer_digests=(b"\x02" * 32, b"\x03" * 32, b"\x04" * 32),
    embedding_digest=b"\x05" * 32,
    head_digest=b"\x06" * 32,
    context_length=64,
)


@pytest.mark.parametrize(("first", "end"), [(0, 0), (2, 1), (-1, 1), (0, 65_536)])
def test_layer_range__that_is_none__is_refused(first: int, end: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        LayerRange(first, end)
    assert refused.value.field == "layers"


def test_layer_range__half_open__has_its_first_and_not_its_end() -> None:
    layers = LayerRange(2, 5)
    assert (len(layers), 2 in layers, 5 in layers, str(layers)) == (3, True, False, "2-5")
    assert list(layers.indices) == [2, 3, 4]


def test_slice_digest__for_an_entry__ends_with_embedding_and_head() -> None:
    packed = MANIFEST.layer_digests[1] + MANIFEST.layer_digests[2]
    layers = LayerRange(1, 3)
    assert MANIFEST.slice_digest(layers, is_entry=False) == keccak256(packed)
    ends = MANIFEST.embedding_digest + MANIFEST.head_digest
    assert MANIFEST.slice_digest(layers, is_entry=True) == keccak256(packed + ends)


def test_slice_digest__beyond_the_model__is_refused() -> None:
    with pytest.raises(ManifestInvalid) as refused:
        MANIFEST.slice_digest(LayerRange(1, 4), is_entry=False)
    assert refused.value.rule == "is 3, which does not contain 1-4"


@pytest.mark.parametrize("token_ids_digest", [None, b"\x07" * 32])
def test_from_json__of_to_json__is_the_same_manifest(token_ids_digest: bytes | None) -> None:
    manifest = replace(MANIFEST, token_ids_digest=token_ids_digest)
    assert ModelManifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"name": 1}, "the file"),
        ({"layer_count": 2}, "layer_count"),
        ({"layer_count": True}, "layer_count"),
        ({"layer_digests": []}, "layer_count"),
        ({"layer_digests": ["0x12"] * 3}, "layer_digests"),
        ({"layer_digests": "0x12"}, "the file"),
        ({"head_digest": 5}, "head_digest"),
        ({"head_digest": "0x" + "zz" * 32}, "head_digest"),
        ({"token_ids_digest": None}, "token_ids_digest"),
        ({"token_ids_digest": "0x12"}, "token_ids_digest"),
        ({"context_length": 0}, "context_length"),
        ({"context_length": 1.5}, "context_length"),
        ({"surprise": 1}, "the file"),
    ],
)
def test_from_json__wrong_field__is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        ModelManifest.from_json(json.dumps(json.loads(MANIFEST.to_json()) | changes))
    assert refused.value.field == field


@given(text=st.text(max_size=100))
def test_from_json__any_text__is_refused(text: str) -> None:
    with pytest.raises(ManifestInvalid):
        ModelManifest.from_json(text)

# SPDX-License-Identifier: Apache-2.0
"""Configs with changed fields: we compute what transformers computes, or refuse.

given a tiny model of every family, whose config has a field dropped, null, doubled, repeated,
renamed, of another type, of another family, or with another field's value
    it should be refused
    or transformers should accept it too, and both should give the same logits
"""

import json
from collections.abc import Iterable

import pytest

from tests.shard_runtime.model_files.config.base_configs import BASES
from tests.shard_runtime.model_files.config.reference import Reference
from tests.shard_runtime.model_files.config.variants import (
    Variant,
    draw_variants,
    every_variant,
)

SEED = 20261130

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", BASES)
def test_logits__unchanged_config__equal_transformers(reference: Reference, name: str) -> None:
    reference.compare(json.dumps(BASES[name]))
    assert reference.counts["computed equal"] == 1


def compare(reference: Reference, variants: Iterable[Variant]) -> None:
    wrong, count = [], 0
    for variant in variants:
        count += 1
        try:
            reference.compare(variant.text)
        except Exception as error:  # noqa: BLE001 - whatever transformers raises is a finding
            wrong.append(f"{variant.title}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)
    assert sum(reference.counts.values()) == count
    assert reference.counts["computed equal"] > count // 5


def test_logits__changed_config__equal_transformers_or_are_refused(reference: Reference) -> None:
    compare(reference, draw_variants(300, SEED))


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1, 2])
def test_logits__2000_changed_configs__equal_transformers_or_are_refused(
    reference: Reference, seed: int
) -> None:
    compare(reference, draw_variants(2000, seed))


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_logits__every_change_of_every_field__equal_transformers_or_are_refused(
    reference: Reference,
) -> None:
    compare(reference, every_variant())

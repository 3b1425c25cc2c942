# SPDX-License-Identifier: Apache-2.0
"""benchmarks/results/faults.json, the committed result of a long run.

given the file
    it should be of at least 5,000 faults, of every kind
    it should say that nothing was lost, doubled or changed, and that all refunds were made
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fault import Kind

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "benchmarks/results/faults.json"
MIN_FAULTS = 5_000


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def test_result__committed__is_of_five_thousand_faults_of_every_kind(
    result: dict[str, Any],
) -> None:
    assert result["total"]["faults"] >= MIN_FAULTS
    assert set(result["byKind"]) == {kind.value for kind in Kind}


def test_result__committed__nothing_was_lost_doubled_or_changed(result: dict[str, Any]) -> None:
    counted = ("lost", "doubled", "answersChanged", "bondsLost", "plainOnDisk")
    assert {name: result["total"][name] for name in counted} == dict.fromkeys(counted, 0)
    assert result["refunds"]["due"] == result["refunds"]["made"] > 0


def test_result__committed__requests_were_settled_and_each_is_counted_once(
    result: dict[str, Any],
) -> None:
    assert result["ends"]["settled"] > 0
    assert sum(result["ends"].values()) == result["total"]["requests"]


def test_readme__faults__states_the_committed_numbers(result: dict[str, Any]) -> None:
    readme = (ROOT / "README.md").read_text()
    for number in (result["total"]["faults"], result["total"]["requests"]):
        assert f"{number:,}" in readme, number

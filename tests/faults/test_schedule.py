# SPDX-License-Identifier: Apache-2.0
"""Schedules of faults.

given the same seed and batch
    it should have the same faults
given another batch
    it should have others
given a hundred faults
    every kind should be among them, as often as its share says
    faults with the same place and target should follow each other
"""

from collections import Counter

import pytest

from tests.faults.cli import read_options
from tests.faults.fault import Kind
from tests.faults.schedule import BATCH, SHARES, make_schedule

SEEDS = range(20)


def test_schedule__same_seed_and_batch__same_faults() -> None:
    assert make_schedule(7, 3) == make_schedule(7, 3)


def test_schedule__other_batch__other_faults() -> None:
    assert make_schedule(7, 3).faults != make_schedule(7, 4).faults


@pytest.mark.parametrize("seed", SEEDS)
def test_schedule__a_hundred__has_every_kind_by_its_share(seed: int) -> None:
    counted = Counter(fault.kind for fault in make_schedule(seed, 0).faults)
    assert counted == {kind: SHARES[kind] * BATCH // 100 for kind in Kind}


@pytest.mark.parametrize("seed", SEEDS)
def test_schedule__same_process__one_fault_after_the_other(seed: int) -> None:
    for place in ((Kind.KILL, Kind.REBOOT, Kind.FREEZE, Kind.EVICTION), (Kind.CUT, Kind.DELAY)):
        ends: dict[str, float] = {}
        for fault in make_schedule(seed, 0).faults:
            if fault.kind in place:
                assert fault.at >= ends.get(fault.target, 0.0)
                ends[fault.target] = fault.end


@pytest.mark.parametrize("seed", SEEDS)
def test_schedule__reorganisation__loses_few_seconds_of_what_it_drops(seed: int) -> None:
    reorganisations = [one for one in make_schedule(seed, 0).faults if one.kind is Kind.REORG]
    for fault in reorganisations:
        assert 1 <= fault.details["depth"] <= (6 if fault.details["how"] == "dropped" else 64)


def test_options__a_batch__is_replayed_with_the_size_that_it_had() -> None:
    assert read_options(["--seed", "1", "--faults", "250"]).batches == [(0, 100), (1, 100), (2, 50)]
    assert read_options(["--seed", "1", "--faults", "5000", "--batch", "12"]).batches == [(12, 100)]


def test_options__unknown_kind__is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_options(["--kinds", "flood"])
    assert "known are kill,reboot," in capsys.readouterr().err

# SPDX-License-Identifier: Apache-2.0
"""When a penalty is excused.

given an entry that acted in time
    when a reorganisation takes that back and leaves no time
        its penalty should be excused
    when it leaves time, or the request was opened after the fork, or is another one
        it should not be
given an entry that was down, whose nodes were bad, or whose keys were not the registry's
    when that lasted until the margin before the deadline began
        its penalty should be excused, and that of an entry that was up should not be
"""

import pytest

from teetee.protocol.identifiers import RequestId
from tests.faults import outages as outages_module
from tests.faults.outages import Outages, UndoneEnd

REQUEST = RequestId(7)
FORK = 100
DEADLINE = 5_000
MARGIN = 9


class Clock:
    """This machine's time."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(outages_module, "time", found)
    return found


@pytest.mark.parametrize(
    ("retried_at", "request_id", "opened_in", "is_undone"),
    [
        (DEADLINE + 1, REQUEST, FORK, True),
        (DEADLINE - MARGIN, REQUEST, FORK - 50, True),
        (DEADLINE - MARGIN - 1, REQUEST, FORK, False),
        (DEADLINE + 1, REQUEST, FORK + 1, False),
        (DEADLINE + 1, RequestId(8), FORK, False),
    ],
    ids=["after the deadline", "in the margin", "time is left", "opened later", "another request"],
)
def test_has_undone__end_in_time_was_replaced__only_if_no_time_was_left(
    retried_at: int, request_id: RequestId, opened_in: int, is_undone: bool
) -> None:
    outages = Outages()
    outages.undo([UndoneEnd(REQUEST, FORK, retried_at)])
    assert outages.has_undone(request_id, opened_in, DEADLINE, MARGIN) is is_undone


@pytest.mark.parametrize(
    ("target", "up_before_deadline", "is_excused"),
    [
        ("second", 5, True),
        ("second", 20, False),
        ("entry", 5, False),
        ("second@all", 5, True),
        ("all@1", 5, False),
        ("chain", 5, True),
    ],
)
def test_excuses__was_down_until_so_long_before_the_deadline__only_within_the_margin(
    clock: Clock, target: str, up_before_deadline: int, is_excused: bool
) -> None:
    outages = Outages()
    outages.begin(target)
    for chain_time in range(DEADLINE - 40, DEADLINE + 3):
        clock.now += 1
        if chain_time == DEADLINE - up_before_deadline:
            outages.end(target)
        outages.sample(chain_time)
    assert outages.excuses("second", DEADLINE, MARGIN) is is_excused


def test_mark_keys__registry_has_other_ones_at_the_deadline__is_excused(clock: Clock) -> None:
    outages = Outages()
    for chain_time in range(DEADLINE - 40, DEADLINE + 3):
        clock.now += 1
        outages.mark_keys("second", chain_time > DEADLINE - 20)
        outages.sample(chain_time)
    clock.now += 1
    outages.mark_keys("second", are_other=False)
    assert outages.excuses("second", DEADLINE, MARGIN)
    assert not outages.excuses("second", DEADLINE - 25, MARGIN)
    assert not outages.excuses("entry", DEADLINE, MARGIN)

# SPDX-License-Identifier: Apache-2.0
"""A stop waits for requests, not for steps.

given a request in a step
    when the step ends and it was the last
        it should not be waited for
    when the step ends and another follows
        it should be waited for until that one ends
    when the step raises
        it should not be waited for
"""

import pytest

from oracle.request.in_flight import InFlight


def test_wait__between_two_steps_of_a_request__goes_on_waiting() -> None:
    in_flight = InFlight()
    with in_flight.step(1, has_next=True):
        pass
    assert not in_flight.wait_until_none(0)
    with in_flight.step(1):
        assert not in_flight.wait_until_none(0)
    assert in_flight.wait_until_none(0)


def test_wait__another_request_is_in_work__goes_on_waiting() -> None:
    in_flight = InFlight()
    with in_flight.step(1), in_flight.step(2):
        pass
    with in_flight.step(3, has_next=True), in_flight.step(4):
        pass
    assert not in_flight.wait_until_none(0)


def test_wait__step_raised__waits_no_longer() -> None:
    in_flight = InFlight()
    with pytest.raises(KeyboardInterrupt), in_flight.step(1, has_next=True):
        raise KeyboardInterrupt
    assert in_flight.wait_until_none(0)

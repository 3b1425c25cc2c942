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

from oracle.request.workflow import ActiveRequests


def test_wait__between_two_steps_of_a_request__goes_on_waiting() -> None:
    active = ActiveRequests()
    with active.step(1, has_next=True):
        pass
    assert not active.wait_until_none(0)
    with active.step(1):
        assert not active.wait_until_none(0)
    assert active.wait_until_none(0)


def test_wait__another_request_is_in_work__goes_on_waiting() -> None:
    active = ActiveRequests()
    with active.step(1), active.step(2):
        pass
    with active.step(3, has_next=True), active.step(4):
        pass
    assert not active.wait_until_none(0)


def test_wait__step_raised__waits_no_longer() -> None:
    active = ActiveRequests()
    with pytest.raises(KeyboardInterrupt), active.step(1, has_next=True):
        raise KeyboardInterrupt
    assert active.wait_until_none(0)

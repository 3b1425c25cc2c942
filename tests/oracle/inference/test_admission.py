# SPDX-License-Identifier: Apache-2.0
"""How many jobs run at once.

given a free slot
    it should admit at once, and free the slot however the job ends
given no free slot
    it should wait until one is free, the caller cancels, or the process stops
given a process that stops
    it should admit no job
"""

import threading

import pytest

from oracle.inference.admission import Admission
from oracle.inference.errors import Blocker, InferenceStopped, JobCancelled

SECONDS = 10.0


def never() -> bool:
    return False


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def admission(stop: threading.Event) -> Admission:
    return Admission(max_concurrent_jobs=1, stop=stop)


def test_slot__job_fails__is_free_again(admission: Admission) -> None:
    with pytest.raises(ValueError, match="a fault"), admission.slot(never):
        raise ValueError("a fault")
    with admission.slot(never):
        pass


def test_slot__none_is_free__waits_for_one(admission: Admission) -> None:
    admitted = threading.Event()

    def wait() -> None:
        with admission.slot(never):
            admitted.set()

    thread = threading.Thread(target=wait, daemon=True)
    with admission.slot(never):
        thread.start()
        assert not admitted.wait(0.05)
    assert admitted.wait(SECONDS)
    thread.join(SECONDS)


def test_slot__caller_cancels_while_it_waits__lacked_capacity(admission: Admission) -> None:
    with (
        admission.slot(never),
        pytest.raises(JobCancelled) as caught,
        admission.slot(lambda: True),
    ):
        pytest.fail("it was admitted")
    assert caught.value.blocker is Blocker.CAPACITY


def test_slot__process_stops__admits_no_job(admission: Admission, stop: threading.Event) -> None:
    with admission.slot(never):
        stop.set()
        with pytest.raises(InferenceStopped), admission.slot(never):
            pytest.fail("it was admitted while all slots were in use")
    for _ in range(2):  # a refused job occupies no slot
        with pytest.raises(InferenceStopped), admission.slot(never):
            pytest.fail("it was admitted")

# SPDX-License-Identifier: Apache-2.0
"""The life cycle's table.

given any state and any event
    when the table has the transition: it should be taken
    when it has not: it should raise and name both
given any sequence of events that the table allows
    it should come to one end at most, and stay there
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import IllegalTransition
from oracle.request.lifecycle import ENDS, TRANSITIONS, Event, State, advance
from oracle.request.progress import Progress
from teetee.protocol.identifiers import RequestId

ALL = [(state, event) for state in State for event in Event]


@pytest.mark.parametrize(("state", "event"), ALL, ids=lambda part: part.value.replace(" ", "-"))
def test_advance__every_state_and_event__goes_by_the_table(state: State, event: Event) -> None:
    if event in TRANSITIONS[state]:
        assert advance(state, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(IllegalTransition) as caught:
            advance(state, event)
        assert (caught.value.state, caught.value.event) == (state.value, event.value)


def test_advance__the_good_way__is_waiting_working_answered_settled() -> None:
    state = State.WAITING
    for event in (Event.TURN_CAME, Event.ANSWER_SEALED, Event.SEEN_SETTLED):
        state = advance(state, event)
    assert state is State.SETTLED


def test_transitions__every_state_but_an_end__can_come_to_every_end() -> None:
    for state in set(State) - ENDS:
        assert set(TRANSITIONS[state].values()) >= ENDS
    for end in ENDS:
        assert TRANSITIONS[end] == {}


@given(st.lists(st.sampled_from(Event), max_size=20))
def test_note__any_events__ends_once_and_counts_it_once(events: list[Event]) -> None:
    progress, number = Progress(), RequestId(5)
    progress.begin(number)
    state = State.WAITING
    for event in events:
        try:
            state = advance(state, event)
        except IllegalTransition:
            continue
        progress.note(number, event)
        if state in ENDS:
            break
    assert progress.state(number) is (None if state in ENDS else state)
    assert progress.counts() == {other.value: int(other is state) for other in State}


def test_note__illegal_event__changes_nothing() -> None:
    progress, number = Progress(), RequestId(5)
    progress.begin(number)
    with pytest.raises(IllegalTransition):
        progress.note(number, Event.ANSWER_SEALED)
    assert progress.state(number) is State.WAITING

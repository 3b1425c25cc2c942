# SPDX-License-Identifier: Apache-2.0
"""The life cycle of one request, as this oracle sees it: a table of transitions and nothing else.

    WAITING ─turn came─► WORKING ─answer sealed─► ANSWERED ─┐
       │                    └────refusal made───► REFUSED ──┤
       └────────────────────────────────────────────────────┴─seen─► SETTLED, DECLINED, REFUNDED
    any state ─seen vanished─► VANISHED

An end is an end: a request that a reorganisation brings back begins a new life in WAITING.
Which of the ends a request took is the contract's word; this side only believes it.
"""

from enum import Enum
from types import MappingProxyType

from oracle.errors import IllegalTransition


class State(Enum):
    """Where a request stands."""

    WAITING = "waiting"  # open on chain, this shard's turn has not come or nothing was done yet
    WORKING = "working"  # the envelope is being opened and the path run
    ANSWERED = "answered"  # the sealed answer and its settlement are in the journal
    REFUSED = "refused"  # a reason to decline is in the journal
    SETTLED = "settled"  # paid, by this oracle or another recipient's
    DECLINED = "declined"  # given back without penalty
    REFUNDED = "refunded"  # given back after the deadline, with penalty
    VANISHED = (
        "vanished"  # a reorganisation removed the request, or its number now names another one
    )


class Event(Enum):
    """What can happen to it."""

    TURN_CAME = "turn came"
    ANSWER_SEALED = "answer sealed"
    REFUSAL_MADE = "refusal made"
    SEEN_SETTLED = "seen settled"
    SEEN_DECLINED = "seen declined"
    SEEN_REFUNDED = "seen refunded"
    SEEN_VANISHED = "seen vanished"


ENDS = frozenset({State.SETTLED, State.DECLINED, State.REFUNDED, State.VANISHED})

_SEEN = {
    Event.SEEN_SETTLED: State.SETTLED,
    Event.SEEN_DECLINED: State.DECLINED,
    Event.SEEN_REFUNDED: State.REFUNDED,
    Event.SEEN_VANISHED: State.VANISHED,
}

TRANSITIONS: MappingProxyType[State, dict[Event, State]] = MappingProxyType(
    {
        State.WAITING: {Event.TURN_CAME: State.WORKING, **_SEEN},
        State.WORKING: {
            Event.ANSWER_SEALED: State.ANSWERED,
            Event.REFUSAL_MADE: State.REFUSED,
            **_SEEN,
        },
        State.ANSWERED: dict(_SEEN),
        State.REFUSED: dict(_SEEN),
        **{end: {} for end in ENDS},
    }
)


def advance(state: State, event: Event) -> State:
    """The state after `event`.

    Raises:
        IllegalTransition: the table has no such transition.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(state=state.value, event=event.value) from None

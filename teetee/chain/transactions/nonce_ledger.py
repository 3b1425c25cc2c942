# SPDX-License-Identifier: Apache-2.0
"""The nonces of one account that are in flight, and their transactions. No clock, no node.

A transaction that its caller gave up keeps its nonce, since it may still be included. Until then,
it would block all later ones: the next call therefore takes the lowest nonce without a caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import count

from teetee.chain.calldata import Call
from teetee.chain.transactions.fee_policy import Fees


@dataclass(eq=False)
class SentTransaction:
    """A transaction and all its versions, each of which can be the one that is included."""

    call: Call
    nonce: int
    gas: int
    fees: Fees
    first_sent: float
    last_sent: float
    hashes: list[str] = field(default_factory=list)
    is_given_up: bool = False

    @property
    def max_cost(self) -> int:
        """Wei that the account must keep for it."""
        return self.gas * self.fees.max_fee + self.call.value


class NonceLedger:
    """Not thread-safe: its owner locks."""

    def __init__(self) -> None:
        self._sent: dict[int, SentTransaction] = {}

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def reserved(self) -> int:
        """Wei that all transactions in flight can cost together."""
        return sum(sent.max_cost for sent in list(self._sent.values()))

    def record(self, sent: SentTransaction) -> None:
        """It is in flight; one that had the nonce before is replaced."""
        self._sent[sent.nonce] = sent

    def remove(self, sent: SentTransaction) -> None:
        """Its nonce is used."""
        if self._sent.get(sent.nonce) is sent:
            del self._sent[sent.nonce]

    def at(self, nonce: int) -> SentTransaction | None:
        """The transaction that has this nonce."""
        return self._sent.get(nonce)

    def given_up(self, *, below: int | None = None) -> list[SentTransaction]:
        """Those without a caller, by nonce; `below`: only those that block this nonce."""
        return [
            sent
            for nonce, sent in sorted(self._sent.items())
            if sent.is_given_up and (below is None or nonce < below)
        ]

    def find_given_up(self, call: Call) -> SentTransaction | None:
        """A transaction without a caller that makes this very call."""
        return next((sent for sent in self.given_up() if sent.call == call), None)

    def candidates(self, first: int) -> Iterator[int]:
        """Nonces for the next call, ascending: those that were given up, and the free ones from
        `first`. After a reorganisation, a free one can be below one that was given up.
        """
        free = (nonce for nonce in count(first) if nonce not in self._sent)
        return merge([sent.nonce for sent in self.given_up()], free)

    def after_highest(self) -> int:
        """The nonce after all that are waited for; 0 if none is."""
        waited_for = [nonce for nonce, sent in self._sent.items() if not sent.is_given_up]
        return max(waited_for, default=-1) + 1

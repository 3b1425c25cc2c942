# SPDX-License-Identifier: Apache-2.0
"""The nonces in flight.

given transactions in flight
    when a call needs a nonce
        it should get the lowest one that was given up or is free, never one waited for
    when one ends that was replaced
        the one that replaced it should keep the nonce
    when their costs are added
        it should be what the account must keep for all of them
"""

from itertools import islice

from teetee.chain.calldata import Call
from teetee.chain.transactions.fee_policy import Fees
from teetee.chain.transactions.nonce_ledger import NonceLedger, SentTransaction

CALL = Call("0x" + "11" * 20, b"data", "settle")


def sent(nonce: int, *, is_given_up: bool = False, call: Call = CALL) -> SentTransaction:
    return SentTransaction(call, nonce, 100, Fees(7, 1), 0.0, 0.0, is_given_up=is_given_up)


def ledger_of(*transactions: SentTransaction) -> NonceLedger:
    ledger = NonceLedger()
    for each in transactions:
        ledger.record(each)
    return ledger


def test_candidates__some_were_given_up__come_first_and_none_waited_for_comes() -> None:
    ledger = ledger_of(sent(5), sent(6, is_given_up=True), sent(4, is_given_up=True), sent(8))
    assert list(islice(ledger.candidates(5), 4)) == [4, 6, 7, 9]


def test_candidates__a_reorganisation_freed_a_lower_one__it_comes_first() -> None:
    ledger = ledger_of(sent(5), sent(6, is_given_up=True))
    assert list(islice(ledger.candidates(4), 3)) == [4, 6, 7]


def test_given_up__below_a_nonce__are_those_that_block_it() -> None:
    first, last = sent(4, is_given_up=True), sent(6, is_given_up=True)
    ledger = ledger_of(first, sent(5), last)
    assert ledger.given_up(below=5) == [first]
    assert ledger.given_up() == [first, last]


def test_find_given_up__same_call__is_found_and_one_that_is_waited_for_is_not() -> None:
    other = Call(CALL.to, b"other data", "settle")
    ledger = ledger_of(sent(1), sent(2, is_given_up=True, call=other))
    assert ledger.find_given_up(CALL) is None
    found = ledger.find_given_up(Call(CALL.to, b"other data", "settle"))
    assert found is ledger.at(2)


def test_remove__was_replaced__keeps_what_replaced_it() -> None:
    former, later = sent(3, is_given_up=True), sent(3)
    ledger = ledger_of(former, later)
    ledger.remove(former)
    assert ledger.at(3) is later
    ledger.remove(later)
    assert (ledger.at(3), len(ledger)) == (None, 0)


def test_reserved__all_in_flight__is_their_maximum_cost_with_values() -> None:
    paying = Call(CALL.to, b"", "deposit", value=50)
    assert ledger_of(sent(1), sent(2, is_given_up=True), sent(3, call=paying)).reserved == 2150


def test_after_highest__given_up_ones__do_not_count() -> None:
    assert ledger_of(sent(4), sent(9, is_given_up=True)).after_highest() == 5
    assert ledger_of(sent(9, is_given_up=True)).after_highest() == 0

# SPDX-License-Identifier: Apache-2.0
"""Requests whose entries are stopped.

given a request for two recipients
    when the primary is stopped
        the second should answer it, from half of the time to the deadline on
given a request whose recipients are all stopped
    when the deadline has not passed
        no one should be able to refund it
    when the deadline has passed
        anyone should, and the requester should get everything and the penalty
        the primary's bond should pay it: the shard accepts requests only after a top-up
"""

import pytest

from demo.world import World
from teetee.chain.contract_errors import RefundTooEarly
from teetee.chain.types.requests import RequestRefunded, RequestStatus
from teetee.client.requests.await_answer import Answered, Unanswered
from teetee.client.requests.request_spec import RequestSpec
from teetee.protocol.identifiers import ShardId
from tests.system.requester import Requester
from tests.teetee.chain.refusals import refused_with

pytestmark = pytest.mark.system

WINDOW = 30


def test_ask__primary_is_stopped__second_recipient_takes_over(
    world: World, requester: Requester
) -> None:
    requester.learn_sealing_keys("entry", "second")
    world.enclave("entry").stop(world.supervisor)
    spec = RequestSpec("Name three colors.", max_tokens=4, deadline_seconds=WINDOW)
    opened = requester.open(spec, "entry", "second")
    outcome = requester.wait(opened)
    assert isinstance(outcome, Answered)
    assert outcome.answer.text.startswith("1. Red")
    first_stage = outcome.settled.stages[0]
    assert first_stage.shard_id == world.enclave("second").shard_id
    assert first_stage.host == world.enclave("second").host.address
    settled_at = requester.contracts.connection.block(outcome.settled.block_number).timestamp
    assert settled_at >= outcome.request.takeover_at(1)
    assert requester.client.verify(opened.request_id).verified
    requester.client.forget(opened)


def test_refund__all_recipients_are_gone__anyone_calls_it_and_the_primary_pays(
    world: World, requester: Requester
) -> None:
    stranger = Requester.of(world, "stranger")
    escrow, registry = requester.contracts.escrow, requester.contracts.registry
    terms, entry, second = escrow.terms(), world.enclave("entry"), world.enclave("second")
    primary = ShardId(second.shard_id)
    requester.learn_sealing_keys("entry", "second")
    second.stop(world.supervisor)
    entry.stop(world.supervisor)
    opened = requester.open(
        RequestSpec("Name three colors.", max_tokens=4, deadline_seconds=terms.min_window + 5),
        *("second", "entry"),
    )
    with pytest.raises(RefundTooEarly):
        requester.contracts.connection.simulate(
            escrow.refund(opened.request_id), stranger.wallet.address
        )
    world.chain.advance(terms.min_window + 10)
    owned = _owned(requester)
    stranger.send(escrow.refund(opened.request_id))

    outcome = requester.wait(opened)
    assert isinstance(outcome, Unanswered)
    assert isinstance(outcome.ended, RequestRefunded)
    assert outcome.request.status is RequestStatus.REFUNDED
    assert outcome.ended.refund == outcome.request.deposit > 0
    assert outcome.ended.penalty == terms.penalty > 0
    assert _owned(requester) == owned + outcome.request.deposit + terms.penalty
    assert requester.client.verify(opened.request_id).verified
    requester.client.forget(opened)

    assert not registry.is_active(primary)
    with refused_with("RecipientInactive"):
        requester.contracts.connection.simulate(
            requester.permitted(requester.parameters(recipients=(primary,))),
            requester.wallet.address,
        )
    world.command.call("host-second", "host", "top-up", str(primary), "1", wallet=second.host)
    assert registry.is_active(primary)


def _owned(requester: Requester) -> int:
    """Tokens in the wallet, and its credit at the escrow."""
    address = requester.wallet.address
    credit = requester.contracts.escrow.account_of(address).credit
    return requester.contracts.token.balance_of(address) + credit

# SPDX-License-Identifier: Apache-2.0
"""When entries are gone.

given a request for two recipients
    when the primary is stopped
        it should be answered by the second, from half of the time to the deadline on
given a request whose recipients are all gone
    when the deadline passes
        before it: nobody should be able to refund
        after it: anybody should, and the requester gets everything and the penalty
        the primary's bond should have paid it: nobody can ask that shard until it is topped up
"""

import pytest

from demo.world import World
from teetee.chain.contract_errors import RefundTooEarly
from teetee.chain.types.requests import RequestRefunded, RequestStatus
from teetee.client.requests.await_answer import Answered, Unanswered
from teetee.client.requests.request_spec import RequestSpec
from teetee.protocol.identifiers import ShardId
from tests.system.asking import Asking
from tests.teetee.chain.refusals import refused_with

pytestmark = pytest.mark.system

WINDOW = 30


def test_ask__primary_is_stopped__second_recipient_takes_over(world: World, asking: Asking) -> None:
    world.enclave("entry").stop(world.supervisor)
    spec = RequestSpec("Name three colors.", max_tokens=4, deadline_seconds=WINDOW)
    opened = asking.open(spec, "entry", "second")
    outcome = asking.wait(opened)
    assert isinstance(outcome, Answered)
    assert outcome.answer.text.startswith("1. Red")
    first_stage = outcome.settled.stages[0]
    assert first_stage.shard_id == world.enclave("second").shard_id
    assert first_stage.host == world.enclave("second").host.address
    settled_at = asking.contracts.connection.block(outcome.settled.block_number).timestamp
    assert settled_at >= outcome.request.takeover_at(1)
    assert asking.client.verify(opened.request_id).verified
    asking.client.forget(opened)


def test_refund__all_recipients_are_gone__anybody_calls_it_and_the_primary_pays(
    world: World, asking: Asking
) -> None:
    anybody = Asking.of(world, "anybody")
    escrow, registry = asking.contracts.escrow, asking.contracts.registry
    terms = escrow.terms()
    entry, second = world.enclave("entry"), world.enclave("second")
    primary = ShardId(second.shard_id)
    second.stop(world.supervisor)
    entry.stop(world.supervisor)
    opened = asking.open(
        RequestSpec("Name three colors.", max_tokens=4, deadline_seconds=terms.min_window + 5),
        *("second", "entry"),
    )
    with pytest.raises(RefundTooEarly):
        asking.contracts.connection.simulate(
            escrow.refund(opened.request_id), anybody.wallet.address
        )
    world.chain.advance(terms.min_window + 10)
    credit = escrow.account_of(asking.wallet.address).credit
    balance = asking.contracts.token.balance_of(asking.wallet.address)
    anybody.send(escrow.refund(opened.request_id))

    outcome = asking.wait(opened)
    assert isinstance(outcome, Unanswered)
    assert isinstance(outcome.ended, RequestRefunded)
    assert outcome.request.status is RequestStatus.REFUNDED
    assert outcome.ended.refund == outcome.request.deposit > 0
    assert outcome.ended.penalty == terms.penalty > 0
    owned = escrow.account_of(asking.wallet.address).credit
    owned += asking.contracts.token.balance_of(asking.wallet.address)
    assert owned == credit + balance + outcome.request.deposit + terms.penalty
    assert asking.client.verify(opened.request_id).verified
    asking.client.forget(opened)

    assert not registry.is_active(primary)
    with refused_with("RecipientInactive"):
        asking.contracts.connection.simulate(
            asking.permitted(asking.parameters(recipients=(primary,))), asking.wallet.address
        )
    world.command.call("host-second", "host", "top-up", str(primary), "1", wallet=second.host)
    assert registry.is_active(primary)

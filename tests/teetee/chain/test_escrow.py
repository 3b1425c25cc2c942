# SPDX-License-Identifier: Apache-2.0
"""Requests, their payment and their end.

given a funded requester
    when it asks with an approval, a permit, or on its host allowance
        the request should be open with its parameters, and its envelope be found
    when the request is not admissible
        it should be refused by name
given an open request
    when it is settled, alone or in a batch
        stages, amounts, answer and signatures should be found, and the amounts sum to the deposit
    when it is declined, or refunded after the deadline
        its end should be found
    when it has ended
        a second end should be refused by name, and skipped in a batch
given credits
    they should be paid out, and a second withdrawal refused
"""

from dataclasses import replace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from teetee.chain.contract_errors import (
    RefundTooEarly,
    RequestNotOpen,
    UnknownRequest,
)
from teetee.chain.errors import CalldataUnreadable
from teetee.chain.logs import logs_of_receipt
from teetee.chain.types.requests import (
    DeclineReason,
    RequestDeclined,
    RequestParameters,
    RequestRefunded,
    RequestSettled,
    RequestStatus,
)
from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import RequestId, ShardId
from tests.teetee.chain.local_chain import (
    FEE_BPS,
    MAX_WINDOW,
    MIN_WINDOW,
    PENALTY,
    TEE,
)
from tests.teetee.chain.refusals import refused_with
from tests.teetee.chain.world import INPUT_PRICE, OUTPUT_PRICE, Network, World

DEPOSIT = 100 * INPUT_PRICE + 50 * OUTPUT_PRICE


def ask_with_approval(world: World, requester: LocalAccount, asked: RequestParameters) -> Any:
    world.sender(requester).send(world.token.approve(world.deployment.escrow, DEPOSIT))
    return world.sender(requester).send(world.escrow.request(asked))


def ask_with_permit(world: World, requester: LocalAccount, asked: RequestParameters) -> Any:
    permit = world.token.sign_permit(
        requester,
        spender=world.deployment.escrow,
        value=DEPOSIT,
        deadline=world.chain.now() + 600,
    )
    return world.sender(requester).send(world.escrow.request_with_permit(asked, permit))


@pytest.mark.parametrize(
    "ask",
    [ask_with_approval, ask_with_permit],
    ids=["approval", "permit"],
)
def test_request__paid__is_open_with_its_envelope(world: World, network: Network, ask: Any) -> None:
    requester = world.account("requester", tokens=DEPOSIT)
    asked = world.parameters(network.model_id, network.entry)
    sent = ask(world, requester, asked)
    opened = world.history.opened_in(sent.logs)
    assert opened is not None
    assert (opened.envelope, opened.client_nonce) == (asked.envelope, asked.client_nonce)
    assert opened.requester == requester.address
    request = world.escrow.request_of(opened.request_id)
    assert (request.status, request.deposit) == (RequestStatus.OPEN, DEPOSIT)
    assert (request.recipients, request.deadline) == (asked.recipients, asked.deadline)
    assert (request.input_price, request.output_price) == (INPUT_PRICE, OUTPUT_PRICE)
    assert request.takeover_at(0) == request.opened_at
    assert world.history.opened(request) == opened
    assert world.history.ended(request) is None
    assert world.escrow.open_page(0) == ((opened.request_id,), 0)
    assert world.escrow.request_count() == opened.request_id
    assert world.token.balance_of(str(requester.address)) == 0


def test_request_on_allowance__by_a_host__costs_nothing(world: World, network: Network) -> None:
    host = network.entry.host
    asked = world.parameters(network.model_id, network.entry)
    before = world.escrow.allowance_of(str(host.address), network.entry.shard_id)
    call = world.escrow.request_on_allowance(asked, network.entry.shard_id)
    opened = world.history.opened_in(world.sender(host).send(call).logs)
    assert opened is not None
    request = world.escrow.request_of(opened.request_id)
    assert (request.input_price, request.output_price) == (0, 0)
    after = world.escrow.allowance_of(str(host.address), network.entry.shard_id)
    assert before.left - after.left == 150


def test_request_on_allowance__more_than_is_left__is_refused_by_name(
    world: World, network: Network
) -> None:
    host = network.entry.host
    sender = world.sender(host)
    asked = world.parameters(network.model_id, network.entry, max_input_tokens=1900)
    call = world.escrow.request_on_allowance(asked, network.entry.shard_id)
    left = world.escrow.allowance_of(str(host.address), network.entry.shard_id).left
    for _ in range(left // 1950):
        sender.send(call)
    with refused_with("HostAllowanceExhausted") as refused:
        sender.send(call)
    assert refused.value.arguments["left"] == left % 1950


def test_request_on_allowance__of_a_retired_shard__is_refused_by_name(
    world: World, network: Network
) -> None:
    sender = world.sender(network.tail.host)
    sender.send(world.registry.retire(network.tail.shard_id))
    asked = world.parameters(network.model_id, network.entry)
    call = world.escrow.request_on_allowance(asked, network.tail.shard_id)
    with refused_with("AllowanceShardInactive"):
        sender.send(call)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"window": MIN_WINDOW - 10}, "DeadlineTooNear"),
        ({"window": MAX_WINDOW + 100}, "DeadlineTooFar"),
        ({"max_deposit": DEPOSIT - 1}, "DepositAboveLimit"),
        ({"recipients": "tail"}, "RecipientNotEntry"),
        ({}, "TokenAllowanceTooLow"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_request__not_admissible__is_refused_by_name(
    world: World, network: Network, changes: dict[str, Any], error: str
) -> None:
    requester = world.account("requester", tokens=DEPOSIT)
    if "window" in changes:
        changes = {"deadline": world.chain.now() + changes["window"]}
    if changes.get("recipients") == "tail":
        changes = {"recipients": (network.tail.shard_id,)}
    asked = world.parameters(network.model_id, network.entry, **changes)
    with refused_with(error):
        world.sender(requester).send(world.escrow.request(asked))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"max_output_tokens": 1 << 16}, "max_output_tokens"),
        ({"max_input_tokens": -1}, "max_input_tokens"),
        ({"recipients": ()}, "recipients"),
        ({"recipients": tuple(ShardId(shard) for shard in range(1, 6))}, "recipients"),
        ({"client_nonce": bytes(31)}, "client_nonce"),
    ],
    ids=["output", "input", "none", "five", "nonce"],
)
def test_parameters__that_no_call_carries__are_refused_by_field(
    world: World, network: Network, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(FieldInvalid) as refused:
        world.parameters(network.model_id, network.entry, **changes)
    assert refused.value.field == field


def test_calls__argument_of_the_wrong_type__are_refused(world: World) -> None:
    with pytest.raises(FieldInvalid) as refused:
        world.escrow.withdraw("0x12")
    assert refused.value.field == "arguments of withdraw"


def test_request_of__unknown__is_named(world: World) -> None:
    with pytest.raises(UnknownRequest) as refused:
        world.escrow.request_of(RequestId(10**6))
    assert refused.value.arguments == {"requestId": 10**6}


def opened_by(world: World, network: Network, **changes: object) -> RequestId:
    requester = world.account("requester", tokens=TEE)
    return world.open_request(network, requester, **changes)


def assert_paid_in_full(world: World, ended: RequestSettled) -> None:
    """payouts + fee + royalty + refund = deposit, to the last unit."""
    hosts = sum(stage.amount for stage in ended.stages)
    assert hosts + ended.fee + ended.royalty + ended.refund == DEPOSIT
    assert ended.cost == 20 * INPUT_PRICE + 10 * OUTPUT_PRICE
    assert ended.fee >= ended.cost * FEE_BPS // 10_000


def test_settle__whole_path__pays_it_and_shows_the_answer(world: World, network: Network) -> None:
    request_id = opened_by(world, network)
    settlement = world.settlement(request_id, network.entry, network.tail)
    world.sender(network.entry.signer).send(world.escrow.settle(settlement))
    request = world.escrow.request_of(request_id)
    ended = world.history.ended(request)
    assert isinstance(ended, RequestSettled)
    assert_paid_in_full(world, ended)
    assert (ended.answer, ended.input_tokens, ended.output_tokens) == (b"sealed answer", 20, 10)
    assert [stage.shard_id for stage in ended.stages] == [
        network.entry.shard_id,
        network.tail.shard_id,
    ]
    for stage in ended.stages:
        assert stage.quote_hash == world.registry.shard(stage.shard_id).quote_hash
    assert world.history.settlement(ended) == settlement
    enrolled = world.registry.attestation(world.registry.shard(network.entry.shard_id))
    elsewhere = replace(ended, transaction_hash=enrolled.transaction_hash)
    with pytest.raises(CalldataUnreadable):
        world.history.settlement(elsewhere)
    served = world.escrow.account_of(str(network.entry.host.address))
    assert served.credit == ended.stages[0].amount
    assert served.served_layer_tokens > 0


def test_settle_batch__one_ended_before__skips_it_and_pays_the_others(
    world: World, network: Network
) -> None:
    ended, open_one, open_two = (opened_by(world, network) for _ in range(3))
    settlements = [
        world.settlement(request_id, network.entry, network.tail)
        for request_id in (ended, open_one, open_two)
    ]
    sender = world.sender(network.entry.signer)
    sender.send(world.escrow.settle(settlements[0]))
    sent = sender.send(world.escrow.settle_batch(settlements))
    skipped = logs_of_receipt(world.escrow.contract, "SettlementSkipped", list(sent.logs))
    assert [log.arguments["requestId"] for log in skipped] == [ended]
    for request_id, settlement in zip((open_one, open_two), settlements[1:], strict=True):
        settled = world.history.ended(world.escrow.request_of(request_id))
        assert isinstance(settled, RequestSettled)
        assert settled.block_number == sent.block_number
        assert_paid_in_full(world, settled)
        assert len(settled.stages) == 2
        assert world.history.settlement(settled) == settlement


def test_settle__signed_for_another_request__is_refused_by_name(
    world: World, network: Network
) -> None:
    first, second = opened_by(world, network), opened_by(world, network)
    settlement = world.settlement(first, network.entry, network.tail)
    stolen = type(settlement)(
        request_id=second,
        input_tokens=settlement.input_tokens,
        output_tokens=settlement.output_tokens,
        stages=settlement.stages,
        answer=settlement.answer,
        r=settlement.r,
        vs=settlement.vs,
    )
    with refused_with("WrongSigner"):
        world.sender(network.entry.signer).send(world.escrow.settle(stolen))


def test_settle__half_a_path__is_refused_by_name(world: World, network: Network) -> None:
    settlement = world.settlement(opened_by(world, network), network.entry)
    with refused_with("PathIncomplete") as refused:
        world.sender(network.entry.signer).send(world.escrow.settle(settlement))
    assert refused.value.arguments["endLayer"] == 4


def test_settle__after_the_deadline_or_twice__is_refused_by_name(
    world: World, network: Network
) -> None:
    request_id, late = opened_by(world, network), opened_by(world, network)
    sender = world.sender(network.entry.signer)
    settlement = world.settlement(request_id, network.entry, network.tail)
    sender.send(world.escrow.settle(settlement))
    with pytest.raises(RequestNotOpen):
        sender.send(world.escrow.settle(settlement))
    world.chain.pass_time(700)
    with refused_with("SettlementTooLate"):
        sender.send(world.escrow.settle(world.settlement(late, network.entry, network.tail)))


def test_decline__by_the_recipient__gives_everything_back(world: World, network: Network) -> None:
    request_id = opened_by(world, network)
    call = world.escrow.decline([request_id], DeclineReason.NO_PATH)
    with refused_with("NotARecipientsSigner"):
        world.sender(network.tail.signer).send(call)
    world.sender(network.entry.signer).send(
        world.escrow.decline([request_id], DeclineReason.UNREADABLE)
    )
    request = world.escrow.request_of(request_id)
    ended = world.history.ended(request)
    assert isinstance(ended, RequestDeclined)
    assert (ended.reason, ended.refund) == (DeclineReason.UNREADABLE, DEPOSIT)
    assert world.escrow.account_of(request.requester).credit == DEPOSIT


def test_decline__before_the_takeover__is_refused_by_name(world: World, network: Network) -> None:
    second = world.enrol(network.model_id, 0, 6, is_entry=True)
    recipients = (network.entry.shard_id, second.shard_id)
    request_id = opened_by(world, network, recipients=recipients)
    call = world.escrow.decline([request_id], DeclineReason.NO_PATH)
    with refused_with("DeclineTooEarly") as refused:
        world.sender(second.signer).send(call)
    request = world.escrow.request_of(request_id)
    assert refused.value.arguments["takeoverAt"] == request.takeover_at(1)


def test_refund__after_the_deadline__gives_everything_back_with_the_penalty(
    world: World, network: Network
) -> None:
    request_id = opened_by(world, network)
    anyone = world.account("anyone")
    with pytest.raises(RefundTooEarly):
        world.sender(anyone).send(world.escrow.refund(request_id))
    world.chain.pass_time(601)
    world.chain.pass_time(50)
    world.sender(anyone).send(world.escrow.refund(request_id))
    request = world.escrow.request_of(request_id)
    ended = world.history.ended(request)
    assert isinstance(ended, RequestRefunded)
    assert (ended.refund, ended.penalty) == (DEPOSIT, PENALTY)
    before = world.token.balance_of(request.requester)
    world.sender(anyone).send(world.escrow.withdraw(request.requester))
    assert world.token.balance_of(request.requester) == before + DEPOSIT + PENALTY
    with refused_with("NothingToWithdraw"):
        world.sender(anyone).send(world.escrow.withdraw(request.requester))


def test_open_requests__more_than_a_page__come_in_order(world: World, network: Network) -> None:
    opened = [opened_by(world, network) for _ in range(5)]
    world.sender(network.entry.signer).send(
        world.escrow.decline([opened[2]], DeclineReason.STOPPING)
    )
    remaining = [*opened[:2], *opened[3:]]
    assert world.escrow.open_page(0) == (tuple(remaining), 0)
    assert world.escrow.open_page(opened[1]) == (tuple(opened[3:]), 0)
    collected: list[RequestId] = []
    cursor = 0
    while True:
        page, cursor = world.escrow.open_page(cursor, 2)
        collected += page
        if not cursor:
            break
    assert collected == remaining


def test_terms__of_the_escrow__are_those_of_its_deployment(world: World) -> None:
    terms = world.escrow.terms()
    assert (terms.token, terms.registry) == (world.deployment.token, world.deployment.registry)
    assert (terms.fee_bps, terms.penalty) == (FEE_BPS, PENALTY)
    assert (terms.min_window, terms.max_window) == (MIN_WINDOW, MAX_WINDOW)

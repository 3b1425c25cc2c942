# SPDX-License-Identifier: Apache-2.0
"""Requests that cannot be answered, in a running world.

given a request that the entry cannot answer
    envelope of noise, sealed to another key, or copied by another requester
        it should be declined as UNREADABLE
    prompt longer than paid for
        it should be declined as INVALID
        and everything should be refunded, and the oracle should answer the next question
given a request that the command refuses before sending anything
    empty; longer than the context; price above the limit; unknown model; deadline too near; nothing
    to pay with; no ETH for gas; wrong chain; node down
        it should end with one named error, and no transaction
given a request that only the contracts can refuse
    unknown model; deadline passed or too near; deposit above the limit; no permit; caps above the
    context; envelope empty or oversized; recipient that is not an entry, or named twice
        it should revert with the custom error and its values
"""

from collections.abc import Callable

import pytest

from demo.phases.ask import claim_tokens
from demo.processes.ports import free_port
from demo.processes.process_group import Argument
from demo.world import World
from teetee.chain.calldata import Call
from teetee.chain.contract_errors import ContractRejected
from teetee.chain.types.requests import (
    DeclineReason,
    RequestDeclined,
    RequestParameters,
    RequestStatus,
)
from teetee.client.requests.await_answer import Answered, Unanswered
from teetee.client.requests.open_request import OpenRequest
from teetee.client.requests.request_spec import RequestSpec
from teetee.protocol.envelope import seal_prompt
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.request_secret import RequestSecret
from tests.system.requester import Requester

pytestmark = pytest.mark.system

FAILED, TEMPORARY = 1, 75
SPEC = RequestSpec("Name three colors.", max_tokens=4)


def open_noise(requester: Requester) -> OpenRequest:
    return requester.open_bare()


def open_sealed_to_another_key(requester: Requester) -> OpenRequest:
    parameters = requester.parameters()
    (entry,) = parameters.recipients
    envelope = seal_prompt(
        SPEC.to_prompt(),
        RequestSecret.fresh(),
        requester.context(parameters),
        [(entry, requester.sealing_key_of("second"))],
    )
    return requester.open_bare(envelope, client_nonce=parameters.client_nonce)


def open_copied_from_another_requester(requester: Requester) -> OpenRequest:
    parameters = requester.parameters()
    (entry,) = parameters.recipients
    victim = requester.world.wallet("publisher").address
    envelope = seal_prompt(
        SPEC.to_prompt(),
        RequestSecret.fresh(),
        requester.context(parameters, victim),
        [(entry, requester.sealing_key_of("entry"))],
    )
    return requester.open_bare(envelope, client_nonce=parameters.client_nonce)


def open_with_too_few_tokens(requester: Requester) -> OpenRequest:
    # The client has no tokenizer: only the entry can count the tokens.
    return requester.open(
        RequestSpec("Name three colors.", max_tokens=4, max_input_tokens=5), "entry"
    )


@pytest.mark.parametrize(
    ("opening", "reason"),
    [
        pytest.param(open_noise, DeclineReason.UNREADABLE, id="noise"),
        pytest.param(open_sealed_to_another_key, DeclineReason.UNREADABLE, id="another key"),
        pytest.param(
            open_copied_from_another_requester, DeclineReason.UNREADABLE, id="a copied envelope"
        ),
        pytest.param(open_with_too_few_tokens, DeclineReason.INVALID, id="longer than paid for"),
    ],
)
def test_request__entry_cannot_answer_it__is_declined_and_refunded(
    world: World,
    requester: Requester,
    opening: Callable[[Requester], OpenRequest],
    reason: DeclineReason,
) -> None:
    before = _owned(requester)
    opened = opening(requester)
    outcome = requester.wait(opened)
    assert isinstance(outcome, Unanswered)
    assert outcome.request.status is RequestStatus.DECLINED
    assert isinstance(outcome.ended, RequestDeclined)
    assert outcome.ended.reason is reason
    assert outcome.ended.refund == outcome.request.deposit > 0
    assert _owned(requester) == before
    assert requester.client.verify(opened.request_id).verified
    assert world.enclave("entry").is_running


def test_ask__after_all_those__is_answered(requester: Requester) -> None:
    opened = requester.open(SPEC, "entry")
    outcome = requester.wait(opened)
    assert isinstance(outcome, Answered)
    assert outcome.answer.text.startswith("1. Red")
    requester.client.forget(opened)


@pytest.mark.parametrize(
    ("question", "options", "error"),
    [
        pytest.param("  \n", (), "InvalidQuestion", id="empty"),
        pytest.param("long " * 40_000, (), "PromptTooLong", id="longer than the context"),
        pytest.param("Hello", ("--max-price", "0.000001"), "PriceAboveLimit", id="price"),
        pytest.param("Hello", ("--model", "99"), "UnknownModel", id="unknown model"),
        pytest.param("Hello", ("--deadline", "1"), "InvalidQuestion", id="deadline too near"),
    ],
)
def test_ask__question_or_limit_is_wrong__ends_before_anything_is_sent(
    world: World, requester: Requester, question: str, options: tuple[Argument, ...], error: str
) -> None:
    count = requester.contracts.escrow.request_count()
    result = world.command.attempt(
        "refused", "ask", "-", *options, wallet=requester.wallet, stdin=question.encode()
    )
    assert (result.status, result.error) == (FAILED, error)
    assert requester.contracts.escrow.request_count() == count


def test_ask__nothing_to_pay_with__names_what_is_missing(
    world: World, requester: Requester
) -> None:
    poor = world.wallet("pauper")
    result = world.command.attempt("refused", "ask", "-", wallet=poor, stdin=b"Hello")
    assert (result.status, result.error) == (FAILED, "InsufficientTokens")
    claim_tokens(world.command, poor)
    world.chain.set_ether(poor.address, 0)
    result = world.command.attempt("refused", "ask", "-", wallet=poor, stdin=b"Hello")
    assert (result.status, result.error) == (FAILED, "InsufficientFunds")


def test_ask__node_is_down__may_be_tried_again(world: World, requester: Requester) -> None:
    unreachable = {"TEETEE_RPC_URL": f"http://127.0.0.1:{free_port()}"}
    result = world.command.attempt(
        "refused", "ask", "-", wallet=requester.wallet, stdin=b"Hello", more=unreachable
    )
    assert (result.status, result.error) == (TEMPORARY, "RpcUnavailable")


def test_ask__node_of_another_chain__is_refused(
    world: World, requester: Requester, another_chain: str
) -> None:
    result = world.command.attempt(
        "refused",
        *("ask", "-"),
        wallet=requester.wallet,
        stdin=b"Hello",
        more={"TEETEE_RPC_URL": another_chain},
    )
    assert (result.status, result.error) == (FAILED, "WrongChain")


def unknown_model(requester: Requester) -> RequestParameters:
    return requester.parameters(model_id=ModelId(99))


def deadline_passed(requester: Requester) -> RequestParameters:
    return requester.parameters(deadline=requester.world.chain.now() - 1)


def deadline_too_near(requester: Requester) -> RequestParameters:
    return requester.parameters(deadline=requester.world.chain.now() + 3)


def price_rose(requester: Requester) -> RequestParameters:
    return requester.parameters(max_deposit=1)


def too_many_tokens(requester: Requester) -> RequestParameters:
    return requester.parameters(max_input_tokens=8190, max_output_tokens=8)


def empty_envelope(requester: Requester) -> RequestParameters:
    return requester.parameters(envelope=b"")


def oversized_envelope(requester: Requester) -> RequestParameters:
    limit = requester.contracts.escrow.terms().max_envelope_bytes
    return requester.parameters(envelope=bytes(limit + 1))


def recipient_without_tokenizer(requester: Requester) -> RequestParameters:
    return requester.parameters(recipients=(ShardId(requester.world.enclave("middle").shard_id),))


def same_recipient_twice(requester: Requester) -> RequestParameters:
    return requester.parameters(
        recipients=(ShardId(requester.world.enclave("entry").shard_id),) * 2
    )


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        pytest.param(unknown_model, "UnknownModel", id="unknown model"),
        pytest.param(deadline_passed, "DeadlinePassed", id="deadline in the past"),
        pytest.param(deadline_too_near, "DeadlineTooNear", id="deadline too near"),
        pytest.param(price_rose, "DepositAboveLimit", id="price rose meanwhile"),
        pytest.param(too_many_tokens, "CapsAboveContext", id="caps above the context"),
        pytest.param(empty_envelope, "EnvelopeEmpty", id="empty envelope"),
        pytest.param(oversized_envelope, "EnvelopeTooLarge", id="oversized envelope"),
        pytest.param(recipient_without_tokenizer, "RecipientNotEntry", id="not an entry"),
        pytest.param(same_recipient_twice, "DuplicateRecipient", id="the same one twice"),
    ],
)
def test_request__parameters_are_wrong__contract_refuses(
    requester: Requester, wrong: Callable[[Requester], RequestParameters], error: str
) -> None:
    assert _refusal(requester, requester.permitted(wrong(requester))).name == error


def test_request__neither_permit_nor_allowance__contract_says_what_is_missing(
    world: World,
) -> None:
    # A wallet without a permit and without credit at the escrow.
    newcomer = Requester.of(world, "newcomer")
    refusal = _refusal(newcomer, newcomer.contracts.escrow.request(newcomer.parameters()))
    assert refusal.name == "TokenAllowanceTooLow"
    assert refusal.arguments["requester"] == newcomer.wallet.address
    assert refusal.arguments["allowance"] == 0


def _refusal(requester: Requester, call: Call) -> ContractRejected:
    with pytest.raises(ContractRejected) as refused:
        requester.contracts.connection.simulate(call, requester.wallet.address)
    return refused.value


def _owned(requester: Requester) -> int:
    """Tokens in the wallet, and its credit at the escrow."""
    address = requester.wallet.address
    credit = requester.contracts.escrow.account_of(address).credit
    return requester.contracts.token.balance_of(address) + credit

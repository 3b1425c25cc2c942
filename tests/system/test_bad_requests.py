# SPDX-License-Identifier: Apache-2.0
"""Requests that cannot be answered, put to a running world.

given a request which the entry cannot answer
    envelope of noise, sealed to another key, or copied by another requester
        it should be declined as UNREADABLE
    prompt longer than was paid for
        it should be declined as INVALID
        and everything should come back, and the oracle should answer the next question
given a request which the command refuses before anything is sent
    empty; longer than the context; price above the limit; unknown model; deadline too near; nothing
    to pay with; no ETH for gas; wrong chain; node down
        it should end with one named error, and no transaction
given a request which only the contracts can refuse
    unknown model; deadline passed or too near; deposit above the limit; no permit; caps above the
    context; envelope empty or oversized; recipient that is no entry, or named twice
        it should revert with the custom error and its values
"""

from collections.abc import Callable

import pytest

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
from tests.system.asking import Asking

pytestmark = pytest.mark.system

FAILED, TEMPORARY = 1, 75
SPEC = RequestSpec("Name three colors.", max_tokens=4)


def open_noise(asking: Asking) -> OpenRequest:
    return asking.open_bare()


def open_sealed_to_another_key(asking: Asking) -> OpenRequest:
    parameters = asking.parameters()
    (entry,) = parameters.recipients
    envelope = seal_prompt(
        SPEC.to_prompt(),
        RequestSecret.fresh(),
        asking.context(parameters),
        [(entry, asking.kem_of("second"))],
    )
    return asking.open_bare(envelope, client_nonce=parameters.client_nonce)


def open_copied_from_another_requester(asking: Asking) -> OpenRequest:
    parameters = asking.parameters()
    (entry,) = parameters.recipients
    victim = asking.world.wallet("publisher").address
    envelope = seal_prompt(
        SPEC.to_prompt(),
        RequestSecret.fresh(),
        asking.context(parameters, victim),
        [(entry, asking.kem_of("entry"))],
    )
    return asking.open_bare(envelope, client_nonce=parameters.client_nonce)


def open_with_too_few_tokens(asking: Asking) -> OpenRequest:
    # The envelope is sealed by the client, which knows no tokenizer: only the entry can count.
    return asking.open(RequestSpec("Name three colors.", max_tokens=4, max_input_tokens=5), "entry")


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
def test_request__entry_cannot_answer_it__is_declined_and_everything_comes_back(
    world: World,
    asking: Asking,
    opening: Callable[[Asking], OpenRequest],
    reason: DeclineReason,
) -> None:
    before = _owned(asking)
    opened = opening(asking)
    outcome = asking.wait(opened)
    assert isinstance(outcome, Unanswered)
    assert outcome.request.status is RequestStatus.DECLINED
    assert isinstance(outcome.ended, RequestDeclined)
    assert outcome.ended.reason is reason
    assert outcome.ended.refund == outcome.request.deposit > 0
    assert _owned(asking) == before
    assert asking.client.verify(opened.request_id).verified
    assert world.enclave("entry").is_running


def test_ask__after_all_those__is_answered(asking: Asking) -> None:
    opened = asking.open(SPEC, "entry")
    outcome = asking.wait(opened)
    assert isinstance(outcome, Answered)
    assert outcome.answer.text.startswith("1. Red")
    asking.client.forget(opened)


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
    world: World, asking: Asking, question: str, options: tuple[Argument, ...], error: str
) -> None:
    count = asking.contracts.escrow.request_count()
    said = world.command.attempt(
        "refused", "ask", "-", *options, wallet=asking.wallet, given=question.encode()
    )
    assert (said.status, said.error) == (FAILED, error)
    assert asking.contracts.escrow.request_count() == count


def test_ask__nothing_to_pay_with__names_what_is_missing(world: World, asking: Asking) -> None:
    poor = world.wallet("pauper")
    said = world.command.attempt("refused", "ask", "-", wallet=poor, given=b"Hello")
    assert (said.status, said.error) == (FAILED, "InsufficientTokens")
    world.chain.set_ether(poor.address, 0)
    said = world.command.attempt("refused", "wallet", "faucet", wallet=poor)
    assert (said.status, said.error) == (FAILED, "InsufficientFunds")


def test_ask__node_is_down__may_be_tried_again(world: World, asking: Asking) -> None:
    nobody = {"TEETEE_RPC_URL": f"http://127.0.0.1:{free_port()}"}
    said = world.command.attempt(
        "refused", "ask", "-", wallet=asking.wallet, given=b"Hello", more=nobody
    )
    assert (said.status, said.error) == (TEMPORARY, "RpcUnavailable")


def test_ask__node_of_another_chain__is_refused(
    world: World, asking: Asking, another_chain: str
) -> None:
    said = world.command.attempt(
        "refused",
        *("ask", "-"),
        wallet=asking.wallet,
        given=b"Hello",
        more={"TEETEE_RPC_URL": another_chain},
    )
    assert (said.status, said.error) == (FAILED, "WrongChain")


def unknown_model(asking: Asking) -> RequestParameters:
    return asking.parameters(model_id=ModelId(99))


def deadline_passed(asking: Asking) -> RequestParameters:
    return asking.parameters(deadline=asking.world.chain.now() - 1)


def deadline_too_near(asking: Asking) -> RequestParameters:
    return asking.parameters(deadline=asking.world.chain.now() + 3)


def price_rose(asking: Asking) -> RequestParameters:
    return asking.parameters(max_deposit=1)


def too_many_tokens(asking: Asking) -> RequestParameters:
    return asking.parameters(max_input_tokens=8190, max_output_tokens=8)


def empty_envelope(asking: Asking) -> RequestParameters:
    return asking.parameters(envelope=b"")


def oversized_envelope(asking: Asking) -> RequestParameters:
    most = asking.contracts.escrow.terms().max_envelope_bytes
    return asking.parameters(envelope=bytes(most + 1))


def recipient_without_tokenizer(asking: Asking) -> RequestParameters:
    return asking.parameters(recipients=(ShardId(asking.world.enclave("middle").shard_id),))


def same_recipient_twice(asking: Asking) -> RequestParameters:
    return asking.parameters(recipients=(ShardId(asking.world.enclave("entry").shard_id),) * 2)


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
    asking: Asking, wrong: Callable[[Asking], RequestParameters], error: str
) -> None:
    assert _refusal(asking, asking.permitted(wrong(asking))).name == error


def test_request__neither_permit_nor_allowance__contract_says_what_is_missing(
    world: World,
) -> None:
    # A wallet that never signed a permit, and has no credit with the escrow.
    newcomer = Asking.of(world, "newcomer")
    refusal = _refusal(newcomer, newcomer.contracts.escrow.request(newcomer.parameters()))
    assert refusal.name == "TokenAllowanceTooLow"
    assert refusal.arguments["requester"] == newcomer.wallet.address
    assert refusal.arguments["allowance"] == 0


def _refusal(asking: Asking, call: Call) -> ContractRejected:
    with pytest.raises(ContractRejected) as refused:
        asking.contracts.connection.simulate(call, asking.wallet.address)
    return refused.value


def _owned(asking: Asking) -> int:
    """Tokens in the wallet, and its credit with the escrow."""
    address = asking.wallet.address
    credit = asking.contracts.escrow.account_of(address).credit
    return asking.contracts.token.balance_of(address) + credit

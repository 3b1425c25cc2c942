# SPDX-License-Identifier: Apache-2.0
"""A wallet's life with requests, on a real chain with real quotes.

given enrolled enclaves and a funded wallet
    when it asks and the path answers
        it should give the chain's answer, stream it, verify everything, and forget the secret
    when the path settles in a batch
        it should verify all the same
    when the entry declines
        it should say why, with everything back
    when no entry answers before the deadline
        it should take the deposit back, with the penalty
    when the wallet dies after asking
        it should resume with the same secret
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from teetee.chain.contract_errors import UnknownRequest
from teetee.chain.types.requests import DeclineReason, RequestOpened, RequestRefunded
from teetee.client.client import Client
from teetee.client.errors import NotPending
from teetee.client.requests.await_answer import Answered, Unanswered
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from tests.teetee.chain.local_chain import PENALTY, TEE
from tests.teetee.client.lab import ANSWER, AtWork, Lab

pytestmark = pytest.mark.timeout(60)

SPEC = RequestSpec("Who looks both ways?", max_tokens=20, deadline_seconds=60)


def make_client(lab: Lab, folder: Path, account: LocalAccount | None = None) -> Client:
    return Client(
        lab.contracts(),
        account or lab.world.account("requester", tokens=10 * TEE),
        quotes=lab.quote_check(),
        verification_quotes=lab.quote_check(),
        pending=PendingRequests(folder),
        poll_seconds=0.05,
    )


def answer_and_stream(lab: Lab, opened: RequestOpened) -> None:
    lab.texts[opened.request_id] = [ANSWER[:5], ANSWER[5:]]
    lab.settle(opened, lab.enclaves[:3])


def test_ask__path_answers__gives_and_verifies_the_answer(lab: Lab, tmp_path: Path) -> None:
    client = make_client(lab, tmp_path)
    pieces: list[str] = []
    with AtWork(lab, lambda opened: answer_and_stream(lab, opened)):
        opened = client.open_request(client.prepare_offer(SPEC))
        outcome = client.await_answer(opened, on_text=pieces.append)
    assert isinstance(outcome, Answered)
    assert outcome.answer.text == ANSWER
    assert "".join(pieces) == ANSWER
    assert outcome.stream_agrees is True
    report = client.verify(outcome.request_id)
    assert [check for check in report.checks if not check.ok] == []
    assert report.verified
    assert report.sums_up
    assert [stage.tcb_status for stage in report.path] == ["UpToDate"] * 3
    assert len(client.pending_requests()) == 1
    client.forget(opened)
    assert client.pending_requests() == []


def test_ask__settled_in_a_batch__verifies(lab: Lab, tmp_path: Path) -> None:
    client = make_client(lab, tmp_path)
    with AtWork(lab, lambda opened: lab.settle(opened, lab.enclaves[:3], in_batch=True)):
        outcome = client.ask(SPEC)
    assert client.verify(outcome.request_id).failures == ()


def test_ask__prompt__reaches_the_entry_alone(lab: Lab, tmp_path: Path) -> None:
    client = make_client(lab, tmp_path)
    prompts = []

    def work(opened: RequestOpened) -> None:
        assert b"both ways" not in opened.envelope
        prompts.append(lab.open_envelope(opened)[2])
        lab.settle(opened, lab.enclaves[:3])

    with AtWork(lab, work):
        client.ask(RequestSpec("Who looks both ways?", system="Be short.", seed=7, stop=("\n",)))
    [prompt] = prompts
    assert [(message.role, message.content) for message in prompt.messages] == [
        ("system", "Be short."),
        ("user", "Who looks both ways?"),
    ]
    assert (prompt.sampling.seed, prompt.sampling.stop) == (7, ("\n",))


def test_ask__entry_declines__everything_is_back(lab: Lab, tmp_path: Path) -> None:
    client = make_client(lab, tmp_path)
    with AtWork(lab, lambda opened: lab.decline(opened, lab.enclaves[0], DeclineReason.OVERLOADED)):
        outcome = client.ask(SPEC)
    assert isinstance(outcome, Unanswered)
    assert outcome.ended.refund == outcome.request.deposit
    report = client.verify(outcome.request_id)
    assert report.failures == ()
    assert report.status == "DECLINED"


def test_ask__silence_until_the_deadline__is_refunded_with_penalty(
    lab: Lab, tmp_path: Path
) -> None:
    client = make_client(lab, tmp_path)
    opened = client.open_request(client.prepare_offer(SPEC))
    deadline = client.request(int(opened.request_id)).deadline
    lab.chain.pass_time(deadline - lab.chain.now() + 1)
    warnings: list[str] = []
    outcome = client.await_answer(opened, on_warning=warnings.append)
    assert isinstance(outcome, Unanswered)
    assert isinstance(outcome.ended, RequestRefunded)
    assert outcome.ended.penalty == PENALTY
    assert any("deadline has passed" in warning for warning in warnings)
    report = client.verify(outcome.request_id)
    assert report.failures == ()
    assert (report.status, report.penalty) == ("REFUNDED", PENALTY)


def test_ask__credit_from_before__pays_first(lab: Lab, tmp_path: Path) -> None:
    requester = lab.world.account("requester", tokens=10 * TEE)
    client = make_client(lab, tmp_path, requester)
    with AtWork(lab, lambda opened: lab.settle(opened, lab.enclaves[:3])):
        client.ask(SPEC)
        before = lab.world.token.balance_of(str(requester.address))
        credit = lab.world.escrow.account_of(str(requester.address)).credit
        outcome = client.ask(SPEC)
    spent = before - lab.world.token.balance_of(str(requester.address))
    assert credit > 1
    assert spent == outcome.request.deposit - (credit - 1)


def test_resume__another_run__reads_the_answer(lab: Lab, tmp_path: Path) -> None:
    requester = lab.world.account("requester", tokens=10 * TEE)
    first = make_client(lab, tmp_path, requester)
    opened = first.open_request(first.prepare_offer(SPEC))
    second = make_client(lab, tmp_path, requester)
    [pending] = second.pending_requests()
    assert pending.request_id == opened.request_id
    with AtWork(lab, lambda _: None):
        lab.settle(lab.world.history.opened(second.request(opened.request_id)), lab.enclaves[:3])
        outcome = second.await_answer(second.resume(int(opened.request_id)))
    assert isinstance(outcome, Answered)
    assert outcome.answer.text == ANSWER


def test_resume__transaction_never_seen__finds_the_request(lab: Lab, tmp_path: Path) -> None:
    requester = lab.world.account("requester", tokens=10 * TEE)
    client = make_client(lab, tmp_path, requester)
    opened = client.open_request(client.prepare_offer(SPEC))
    folder = PendingRequests(tmp_path)
    [pending] = client.pending_requests()
    folder.update(replace(pending, request_id=None, transaction=None))
    assert client.resume(int(opened.request_id)).secret == opened.secret


def test_resume__unknown_request__says_so(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(UnknownRequest, match="no request 999"):
        make_client(lab, tmp_path).resume(999)


def test_resume__answer_was_read__says_so_and_how_to_check_it(lab: Lab, tmp_path: Path) -> None:
    client = make_client(lab, tmp_path)
    opened = client.open_request(client.prepare_offer(SPEC))
    client.forget(opened)
    number = int(opened.request_id)
    with pytest.raises(NotPending, match="only that one has its secret"):
        client.resume(number)
    lab.settle(opened.event, lab.enclaves[:3])
    with pytest.raises(NotPending, match=f"it is settled.*`teetee verify {number}`"):
        client.resume(number)
    stranger = make_client(lab, tmp_path, lab.world.account("stranger"))
    with pytest.raises(NotPending, match=f"of another wallet, {opened.context.requester}"):
        stranger.resume(number)

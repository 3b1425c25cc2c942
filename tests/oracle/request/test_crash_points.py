# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any point of a request: after a restart, exactly one settlement, decline or refund.

A real oracle process (kill -9 is real too), a real chain with the real contracts, a tiny random
Llama whose answers are sampled. Only the quote verifier believes what it is told.

given a request and a process that dies at a point of its work
    when it starts again: it should settle the request once
    when text was streamed before: the answer should begin with that text
given an envelope that does not open, or a deadline that has passed
    when the process dies while it declines or refunds: it should end once as well
"""

import time
from pathlib import Path

import pytest

from teetee.chain.types.requests import (
    DeclineReason,
    Request,
    RequestDeclined,
    RequestRefunded,
    RequestStatus,
)
from teetee.errors import Retryable
from teetee.protocol.identifiers import ShardId
from teetee.protocol.sealing.key import SealingPrivateKey
from tests.oracle.enclave_world import Asked, EnclaveWorld, LocalEnclave
from tests.oracle.oracle_process import CrashPoint

SIGKILL = -9
CRASH_SECONDS = 40.0

SETTLING = [
    CrashPoint("oracle.request.dispatcher:Dispatcher.on_received"),
    CrashPoint("oracle.request.answer_pool:AnswerPool.submit"),
    CrashPoint("oracle.request.answering:EnvelopeAnswerer.answer"),
    CrashPoint("oracle.inference.live_text:LiveText.append", "after", 3),
    CrashPoint("oracle.request.answering:EnvelopeAnswerer._seal"),
    CrashPoint("oracle.request.answering:EnvelopeAnswerer._seal", "after"),
    CrashPoint("oracle.request.journal:Journal.save"),
    CrashPoint("oracle.request.journal:Journal.save", "after"),
    CrashPoint("oracle.request.dispatcher:Dispatcher.on_result"),
    CrashPoint("oracle.request.endings:Endings._settle"),
    CrashPoint("teetee.chain.transactions.sender:TransactionSender._submit"),
    CrashPoint("teetee.chain.transactions.sender:TransactionSender._submit", "after"),
    CrashPoint("oracle.chain.escrow:ChainEscrowWriter.settle", "after"),
    CrashPoint("oracle.request.dispatcher:Dispatcher.on_posted"),
]
ENDING = [
    CrashPoint("teetee.chain.transactions.sender:TransactionSender._submit"),
    CrashPoint("teetee.chain.transactions.sender:TransactionSender._submit", "after"),
]


@pytest.fixture(scope="module")
def enclave(world: EnclaveWorld) -> LocalEnclave:
    return LocalEnclave(world, "entry")


@pytest.fixture(scope="module")
def shard_id(enclave: LocalEnclave) -> ShardId:
    """Enrolled once; its processes come and go."""
    with enclave.running() as process:
        process.ready()
        number = enclave.enrol()
        assert process.terminate() == 0
    return number


def crash_at(enclave: LocalEnclave, point: CrashPoint) -> None:
    with enclave.running(crash=point) as process:
        assert process.exit_code(CRASH_SECONDS) == SIGKILL, f"it did not come to {point}"


def finish(world: EnclaveWorld, enclave: LocalEnclave, asked: Asked) -> Request:
    """A process without a crash; it ends the request, and itself when it is asked to."""
    with enclave.running() as process:
        process.ready()
        request = world.await_end(asked)
        assert process.terminate() == 0
    return request


@pytest.mark.parametrize("point", SETTLING, ids=str)
def test_restart__killed_while_answering__settles_once(
    world: EnclaveWorld, enclave: LocalEnclave, shard_id: ShardId, point: CrashPoint
) -> None:
    asked = world.ask(shard_id)
    crash_at(enclave, point)
    request = finish(world, enclave, asked)
    assert request.status is RequestStatus.SETTLED
    assert world.ends(asked) == 1
    settled, answer = world.read_answer(asked)
    assert (settled.input_tokens, settled.output_tokens) == (3, 12)
    assert len(answer.token_ids) == 12


@pytest.mark.parametrize("point", ENDING, ids=str)
def test_restart__killed_while_declining__declines_once(
    world: EnclaveWorld, enclave: LocalEnclave, shard_id: ShardId, point: CrashPoint
) -> None:
    asked = world.ask(shard_id, key=SealingPrivateKey.from_seed(bytes(32)).public_key)
    crash_at(enclave, point)
    request = finish(world, enclave, asked)
    assert world.ends(asked) == 1
    declined = world.history.ended(request)
    assert isinstance(declined, RequestDeclined)
    assert declined.reason is DeclineReason.UNREADABLE


@pytest.mark.parametrize("point", ENDING, ids=str)
def test_restart__killed_while_refunding__refunds_once(
    world: EnclaveWorld, enclave: LocalEnclave, shard_id: ShardId, point: CrashPoint
) -> None:
    asked = world.ask(shard_id, window=60)
    world.chain.pass_time(100)
    crash_at(enclave, point)
    request = finish(world, enclave, asked)
    assert world.ends(asked) == 1
    refunded = world.history.ended(request)
    assert isinstance(refunded, RequestRefunded)
    # The penalty came out of the bond, and a shard without a whole bond is not active.
    sender = world.sender(enclave.host)
    world.chain.give_tokens(enclave.host.address, refunded.penalty)
    sender.send(world.token.approve(world.chain.deployment.registry, refunded.penalty))
    sender.send(world.registry.top_up_bond(shard_id, refunded.penalty))


def test_restart__killed_while_its_transaction_waits__settles_once(
    world: EnclaveWorld, enclave: LocalEnclave, shard_id: ShardId
) -> None:
    """The transaction is in the pool, its sender is gone, and blocks take their time."""
    asked = world.ask(shard_id)
    world.chain.rpc("evm_setAutomine", False)
    crash_at(
        enclave, CrashPoint("teetee.chain.transactions.sender:TransactionSender._submit", "after")
    )
    assert world.ends(asked) == 0
    with enclave.running() as process:
        process.ready()
        world.chain.rpc("evm_setIntervalMining", 1)
        world.await_end(asked)
        assert process.terminate() == 0
    world.chain.rpc("evm_setIntervalMining", 0)
    world.chain.rpc("evm_setAutomine", True)
    assert world.ends(asked) == 1


def test_restart__killed_while_it_streams__gives_the_same_text_again(
    world: EnclaveWorld, enclave: LocalEnclave, shard_id: ShardId
) -> None:
    """The sampling seed comes from the request's secret, so what a listener saw stays true."""
    asked = world.ask(shard_id)
    crash = CrashPoint("oracle.inference.live_text:LiveText.append", "after", 8)
    with enclave.running(crash=crash, slow=0.2) as process:
        process.ready()
        seen = listen(world, enclave, shard_id, asked)
        assert process.exit_code(CRASH_SECONDS) == SIGKILL
    assert seen
    finish(world, enclave, asked)
    _, answer = world.read_answer(asked)
    assert answer.text.startswith(seen)
    assert not any(answer.text.encode() in file.read_bytes() for file in files_of(enclave))


def listen(world: EnclaveWorld, enclave: LocalEnclave, shard_id: ShardId, asked: Asked) -> str:
    """All text until the connection breaks."""
    seen = ""
    deadline = time.monotonic() + CRASH_SECONDS
    while not seen:
        assert time.monotonic() < deadline, "nothing is streamed"
        try:
            for piece in world.listen(enclave.port, shard_id, asked):
                seen += piece
        except Retryable:
            time.sleep(0.05)  # it does not run yet, or the process is gone
    return seen


def files_of(enclave: LocalEnclave) -> list[Path]:
    """Its log, its journal, and whatever else it has written."""
    return [file for file in enclave.folder.rglob("*") if file.is_file()]

"""kill -9 at any point of a request: after a restart, exactly one settlement, decline or refund.

A real oracle process (kill -9 is real too), a real chain with the real contracts, a tiny random
Llama whose answers are sampled. Only the quote verifier believes what it is told.

given a request and a process that dies at a point of its work
    when it starts again: it should settle the request once, and the answer should be the one that a
    process without a crash gives
given an envelope that does not open, or a deadline that has passed
    when the process dies while it declines or refunds: it should end once as well
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from teetee.chain.requests import Declined, DeclineReason, Refunded, RequestStatus
from teetee.identifiers import ShardId
from tests.oracle.enclave_world import EnclaveWorld, EntryEnclave
from tests.oracle.oracle_process import CrashPoint
from tests.teetee.chain.local_chain import LocalChain, compile_contracts, running_anvil

SIGKILL = -9
CRASH_SECONDS = 40.0

SETTLING = [
    CrashPoint("oracle.journal:Journal.start"),
    CrashPoint("oracle.journal:Journal.start", "after"),
    CrashPoint("oracle.work:RequestWork.fetch", "after"),
    CrashPoint("oracle.work:RequestWork.answer"),
    CrashPoint("oracle.live_text:LiveText.append", "after", 3),
    CrashPoint("oracle.answering:Answering._seal"),
    CrashPoint("oracle.answering:Answering._seal", "after"),
    CrashPoint("oracle.work:RequestWork.answer", "after"),
    CrashPoint("oracle.work:RequestWork.conclude"),
    CrashPoint("oracle.settling:Settler._post"),
    CrashPoint("teetee.chain.transactions:Sender._submit"),
    CrashPoint("teetee.chain.transactions:Sender._submit", "after"),
    CrashPoint("oracle.escrow_door:EscrowPen.settle", "after"),
    CrashPoint("oracle.work:RequestWork.conclude", "after"),
    CrashPoint("oracle.work:RequestWork.credit"),
    CrashPoint("oracle.work:RequestWork.credit", "after"),
]
ENDING = [
    CrashPoint("teetee.chain.transactions:Sender._submit"),
    CrashPoint("teetee.chain.transactions:Sender._submit", "after"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnclaveWorld]:
    compile_contracts()
    with running_anvil() as url:
        yield EnclaveWorld(LocalChain(url), tmp_path_factory.mktemp("oracle"))


@pytest.fixture(scope="module")
def enclave(world: EnclaveWorld) -> EntryEnclave:
    return EntryEnclave(world, "entry")


@pytest.fixture(scope="module")
def shard_id(enclave: EntryEnclave) -> ShardId:
    """Enrolled once; its processes come and go."""
    with enclave.running() as process:
        process.ready()
        number = enclave.enrol()
        assert process.terminate() == 0
    return number


def crash_at(enclave: EntryEnclave, point: CrashPoint) -> None:
    with enclave.running(crash=point) as process:
        assert process.exit_code(CRASH_SECONDS) == SIGKILL, f"it did not come to {point}"


@pytest.mark.parametrize("point", SETTLING, ids=str)
def test_restart__killed_while_answering__settles_once(
    world: EnclaveWorld, enclave: EntryEnclave, shard_id: ShardId, point: CrashPoint
) -> None:
    asked = world.ask(shard_id)
    crash_at(enclave, point)
    with enclave.running() as process:
        request = world.await_end(asked)
        assert process.terminate() == 0
    assert request.status is RequestStatus.SETTLED
    assert world.ends(asked) == 1
    settled, answer = world.read_answer(asked)
    assert (settled.input_tokens, settled.output_tokens) == (3, 12)
    assert len(answer.token_ids) == 12


@pytest.mark.parametrize("point", ENDING, ids=str)
def test_restart__killed_while_declining__declines_once(
    world: EnclaveWorld, enclave: EntryEnclave, shard_id: ShardId, point: CrashPoint
) -> None:
    asked = world.ask(shard_id, kem=b"\x09" + bytes(31))
    crash_at(enclave, point)
    with enclave.running() as process:
        request = world.await_end(asked)
        assert process.terminate() == 0
    assert world.ends(asked) == 1
    declined = world.history.ended(request)
    assert isinstance(declined, Declined)
    assert declined.reason is DeclineReason.UNREADABLE


@pytest.mark.parametrize("point", ENDING, ids=str)
def test_restart__killed_while_refunding__refunds_once(
    world: EnclaveWorld, enclave: EntryEnclave, shard_id: ShardId, point: CrashPoint
) -> None:
    asked = world.ask(shard_id, window=60)
    world.chain.pass_time(100)
    crash_at(enclave, point)
    with enclave.running() as process:
        request = world.await_end(asked)
        assert process.terminate() == 0
    assert world.ends(asked) == 1
    assert isinstance(world.history.ended(request), Refunded)


def test_answer__made_again_after_a_crash__is_the_same_text(
    world: EnclaveWorld, enclave: EntryEnclave, shard_id: ShardId, tmp_path: Path
) -> None:
    """The sampled seed comes from the request's secret; the run that was lost had streamed a part."""
    asked = world.ask(shard_id)
    crash_at(enclave, CrashPoint("oracle.work:RequestWork.answer", "after"))
    lost = [line for line in enclave.log.read_text().splitlines() if "answer" in line]
    with enclave.running() as process:
        world.await_end(asked)
        assert process.terminate() == 0
    _, answer = world.read_answer(asked)
    assert answer.text not in enclave.log.read_text()
    assert not any(answer.text in line for line in lost)

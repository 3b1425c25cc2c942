# SPDX-License-Identifier: Apache-2.0
"""An entry is never silent: a real process, a real chain with the real contracts, a tiny model.

given many requests at once, far more than an entry can answer
    each should be answered or declined before its deadline, and the bond untouched
given envelopes that do not open, sealed to two entries of which one is switched off
    honest requests should be answered all the same
given a second recipient that cannot open the envelope
    the first should answer and be paid
given a request that ends elsewhere
    computing and streaming should stop at once
given a disk that is full in mid-answer, also for the log
    the request should be settled, and the next one too; the log should go on when there is room
given many requests that wait
    the node should be asked a few times for each block, whatever is open
"""

import os
import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from teetee.chain.calldata import Call
from teetee.chain.types.requests import (
    DeclineReason,
    RequestDeclined,
    RequestParameters,
    RequestStatus,
)
from teetee.errors import Retryable
from teetee.protocol.envelope import seal_prompt
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.prompt import Message, Prompt, Sampling
from teetee.protocol.request_secret import RequestContext, RequestSecret
from teetee.protocol.sealing.key import SealingPrivateKey
from tests.oracle.enclave_world import CHAIN_ID, Asked, EnclaveWorld, LocalEnclave
from tests.oracle.oracle_process import OracleProcess
from tests.teetee.chain.local_chain import BOND, TEE
from tests.teetee.chain.rpc_proxy import FORWARD, node

PROMPT = Prompt((Message("user", "w1 w2"),), Sampling(max_tokens=12, temperature=1.0))
UNUSABLE = SealingPrivateKey.from_seed(b"\x09" * 32).public_key


@contextmanager
def serving(
    world: EnclaveWorld, name: str, *, slow: float = 0.0, **settings: str
) -> Iterator[tuple[LocalEnclave, OracleProcess, ShardId]]:
    enclave = LocalEnclave(world, name, **settings)
    with enclave.running(slow=slow) as process:
        process.ready()
        yield enclave, process, enclave.enrol()


@contextmanager
def blocks_each_second(world: EnclaveWorld) -> Iterator[None]:
    world.chain.rpc("evm_setIntervalMining", 1)
    try:
        yield
    finally:
        world.chain.rpc("evm_setIntervalMining", 0)
        world.chain.rpc("evm_setAutomine", True)


def ask_many(
    world: EnclaveWorld,
    recipients: tuple[ShardId, ...],
    count: int,
    *,
    window: int,
    is_garbage: bool = False,
) -> list[Asked]:
    """Paid questions in as few blocks as possible; garbage opens for no recipient."""
    keys = [(each, UNUSABLE if is_garbage else world.sealing_keys[each]) for each in recipients]
    nonce = world.connection.web3.eth.get_transaction_count(world.requester.address)
    first = world.escrow.request_count() + 1
    deadline = world.chain.now() + window
    asked = []
    for place in range(count):
        secret = RequestSecret.fresh()
        context = RequestContext(
            chain_id=CHAIN_ID,
            escrow=world.chain.deployment.escrow,
            requester=str(world.requester.address),
            model_id=world.model_id,
            client_nonce=os.urandom(32),
        )
        parameters = RequestParameters(
            model_id=world.model_id,
            recipients=recipients,
            max_input_tokens=10,
            max_output_tokens=20,
            max_deposit=TEE,
            deadline=deadline,
            client_nonce=context.client_nonce,
            envelope=seal_prompt(PROMPT, secret, context, keys),
        )
        send_unconfirmed(world, world.escrow.request(parameters), nonce + place)
        asked.append(Asked(RequestId(first + place), secret, context))
    while world.escrow.request_count() < first + count - 1:
        time.sleep(0.1)  # the next block includes them
    return asked


def send_unconfirmed(world: EnclaveWorld, call: Call, nonce: int) -> None:
    transaction = {
        "to": call.to,
        "data": call.data,
        "value": 0,
        "nonce": nonce,
        "gas": 600_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
        "chainId": CHAIN_ID,
        "type": "0x2",
    }
    signed = world.requester.sign_transaction(transaction)
    world.connection.web3.eth.send_raw_transaction(signed.raw_transaction)


def await_ends(world: EnclaveWorld, asked: list[Asked], seconds: float) -> Counter[RequestStatus]:
    """The states of all, once none is open or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        batch = world.connection.batch()
        reads = [world.escrow.request_in(batch, one.request_id) for one in asked]
        states = Counter(read().status for read in reads)
        if RequestStatus.OPEN not in states or time.monotonic() > deadline:
            return states
        time.sleep(0.2)  # another process ends them: there is no event to await


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("count", "window"),
    [
        pytest.param(60, 40, id="60 requests"),
        pytest.param(300, 90, id="300 requests", marks=pytest.mark.deep),
    ],
)
def test_c2__far_more_requests_than_places__none_is_silent_and_the_bond_untouched(
    world: EnclaveWorld, count: int, window: int
) -> None:
    settings = {"TEETEE_REQUESTS_HELD": "16", "TEETEE_REQUESTS_AT_ONCE": "4"}
    with (
        serving(world, f"asked by {count}", slow=0.4, **settings) as (_, process, shard_id),
        blocks_each_second(world),
    ):
        asked = ask_many(world, (shard_id,), count, window=window)
        states = await_ends(world, asked, 2.0 * window)
        assert states.keys() == {RequestStatus.SETTLED, RequestStatus.DECLINED}, states
        assert states[RequestStatus.SETTLED] >= 4
        shard = world.registry.shard(shard_id)
        assert (shard.bond, shard.is_active) == (BOND, True)
        reasons = {world.history.ended(world.escrow.request_of(one.request_id)) for one in asked}
        declined = [one for one in reasons if isinstance(one, RequestDeclined)]
        assert {one.reason for one in declined} == {DeclineReason.OVERLOADED}
        assert len({one.transaction_hash for one in declined}) < len(declined) / 2
        assert process.terminate() == 0


@pytest.mark.timeout(120)
def test_c2__garbage_for_an_entry_that_is_off__takes_no_place(world: EnclaveWorld) -> None:
    with serving(world, "switched off") as (_, process, absent):
        assert process.terminate() == 0
    with (
        serving(world, "victim", TEETEE_REQUESTS_HELD="4") as (_, process, shard_id),
        blocks_each_second(world),
    ):
        garbage = ask_many(world, (shard_id, absent), 12, window=3_000, is_garbage=True)
        honest = ask_many(world, (shard_id,), 4, window=60)
        states = await_ends(world, honest, 60.0)
        assert states == {RequestStatus.SETTLED: 4}
        assert await_ends(world, garbage, 0.0) == {RequestStatus.OPEN: 12}
        assert process.terminate() == 0


@pytest.mark.timeout(120)
def test_h5__second_recipient_cannot_open_it__first_answers_and_is_paid(
    world: EnclaveWorld,
) -> None:
    with (
        serving(world, "first", slow=1.7, TEETEE_DECLINE_MARGIN_SECONDS="5") as (_, process, first),
        serving(world, "second", TEETEE_DECLINE_MARGIN_SECONDS="5") as (_, other, second),
        blocks_each_second(world),
    ):
        usable = world.sealing_keys[second]
        world.sealing_keys[second] = UNUSABLE
        asked = ask_many(world, (first, second), 1, window=36)
        world.sealing_keys[second] = usable
        request = world.await_end(asked[0])
        assert request.status is RequestStatus.SETTLED
        assert world.read_answer(asked[0])[0].stages[0].shard_id == first
        assert (process.terminate(), other.terminate()) == (0, 0)


@pytest.mark.timeout(120)
def test_h5__request_is_declined_elsewhere__stream_stops_at_once(world: EnclaveWorld) -> None:
    with (
        serving(world, "first of two", slow=1.0) as (enclave, process, first),
        serving(world, "decliner") as (_, other, second),
    ):
        assert other.terminate() == 0
        asked = ask_many(world, (second, first), 1, window=3_000)[0]
        world.chain.pass_time(1_600)
        world.await_stream(enclave.port, first, asked)
        signer = world.registry.shard(second).keyset.signer
        world.chain.rpc("anvil_impersonateAccount", signer)
        call = world.escrow.decline([asked.request_id], DeclineReason.UNREADABLE)
        world.chain.rpc(
            "eth_sendTransaction", {"from": signer, "to": call.to, "data": "0x" + call.data.hex()}
        )
        assert world.await_end(asked).status is RequestStatus.DECLINED
        started = time.monotonic()
        with pytest.raises(Retryable):  # interrupted, or unknown: it does not run any more
            list(world.listen(enclave.port, first, asked))
        assert time.monotonic() - started < 3.0
        assert process.terminate() == 0


@pytest.mark.timeout(120)
def test_h13__disk_is_full_in_mid_answer__is_settled_without_a_restart(world: EnclaveWorld) -> None:
    with serving(world, "on a full disk", slow=0.3) as (enclave, process, shard_id):
        first = world.ask(shard_id)
        world.await_stream(enclave.port, shard_id, first)
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        # No file can grow, the log's neither.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        assert world.await_end(first).status is RequestStatus.SETTLED
        second = world.ask(shard_id)
        assert world.await_end(second).status is RequestStatus.SETTLED
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)
        third = world.ask(shard_id)
        assert world.await_end(third).status is RequestStatus.SETTLED
        assert process.terminate() == 0
        assert enclave.await_event("stopped")
        assert "lines_may_be_missing" in enclave.log.read_text()
        assert journal_files(enclave)


@pytest.mark.timeout(120)
def test_h7__many_requests_wait__the_node_is_asked_little(world: EnclaveWorld) -> None:
    """64 waiting requests used to cost 151 calls a second, and most of a core."""
    calls: Counter[str] = Counter()

    def count(method: str, _: object) -> object:
        calls[method] += 1
        return FORWARD

    polling = {"TEETEE_POLL_SECONDS": "2", "TEETEE_PEER_POLL_SECONDS": "2"}
    settings = {"TEETEE_REQUESTS_AT_ONCE": "1"} | polling
    with (
        node(count, world.chain.url) as url,
        serving(world, "asked much", slow=30.0, TEETEE_RPC_URL=url, **settings) as (_, process, it),
        blocks_each_second(world),
    ):
        ask_many(world, (it,), 64, window=3_000)
        world.chain.rpc("anvil_mine", hex(1))
        time.sleep(8)  # all are fetched
        calls.clear()
        time.sleep(12)
        reads = {method: number / 12 for method, number in calls.items()}
        assert process.terminate() == 0
    assert sum(reads.values()) < 5.0, reads


def journal_files(enclave: LocalEnclave) -> list[Path]:
    return list((enclave.folder / "data").glob("answers.sqlite*"))

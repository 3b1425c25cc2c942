# SPDX-License-Identifier: Apache-2.0
"""Several questions at once from one wallet, on a real chain.

given a wallet with enough tokens
    when three processes, three clients, or three threads of one client ask at once
        all should be paid, each once, and answered
    when another machine uses the wallet's permit nonce in the meantime
        it should sign again, and be paid once
given a process that holds a wallet's turn
    when another waits
        it should say so after a while, and go on once the first has ended
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from teetee.chain.calldata import Call
from teetee.chain.contract_errors import ContractRejected
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from teetee.client.client import Client
from teetee.client.errors import WalletBusy
from teetee.client.requests.await_answer import Answered
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.client.requests.wallet_turn import wallet_turn
from tests.teetee.chain.local_chain import CHAIN_ID, TEE
from tests.teetee.cli.terminal import at_lab
from tests.teetee.client.lab import ANSWER, AtWork, Lab

pytestmark = pytest.mark.timeout(180)

AT_ONCE = 3
SPEC = RequestSpec("Who looks both ways?", max_tokens=20, deadline_seconds=120)


@contextmanager
def blocks_each_second(lab: Lab) -> Iterator[None]:
    """As on a real chain, payments that are made at once are pending at once."""
    lab.chain.rpc("evm_setAutomine", False)
    lab.chain.rpc("anvil_setIntervalMining", 1)
    yield
    lab.chain.rpc("anvil_setIntervalMining", 0)
    lab.chain.rpc("evm_setAutomine", True)


def answering(lab: Lab) -> AtWork:
    return AtWork(lab, lambda opened: lab.settle(opened, lab.enclaves[:3]))


def make_client(lab: Lab, folder: Path, account: LocalAccount) -> Client:
    return Client(
        lab.contracts(),
        account,
        quotes=None,
        verification_quotes=lab.quote_check(),
        pending=PendingRequests(folder),
        poll_seconds=0.05,
    )


def test_ask__three_processes_at_once__are_all_paid_and_answered(lab: Lab, tmp_path: Path) -> None:
    requester = lab.world.account("requester", tokens=10 * TEE)
    env = os.environ | at_lab(lab, tmp_path, requester)
    command = [sys.executable, "-c", "from teetee.cli import main; main()"]
    argv = [*command, "ask", "Why?", "--json", "--deadline", "120"]
    before = lab.world.escrow.request_count()
    with blocks_each_second(lab), answering(lab):
        asked = [
            subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(AT_ONCE)
        ]
        outputs = [process.communicate(timeout=150) for process in asked]
    assert [process.returncode for process in asked] == [0] * AT_ONCE, outputs
    answers = [json.loads(out) for out, _ in outputs]
    assert [answer["answer"] for answer in answers] == [ANSWER] * AT_ONCE
    assert all(answer["verified"] for answer in answers)
    assert len({answer["requestId"] for answer in answers}) == AT_ONCE
    assert lab.world.escrow.request_count() == before + AT_ONCE
    assert list((tmp_path / "teetee").iterdir()) == []


@pytest.mark.parametrize("clients", [1, AT_ONCE], ids=["of one client", "each with a client"])
def test_ask__three_threads_at_once__are_all_paid_and_answered(
    lab: Lab, tmp_path: Path, clients: int
) -> None:
    requester = lab.world.account("requester", tokens=10 * TEE)
    client_list = [make_client(lab, tmp_path, requester) for _ in range(clients)]
    before = lab.world.escrow.request_count()
    with blocks_each_second(lab), answering(lab), ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(client_list[each % clients].ask, SPEC) for each in range(AT_ONCE)]
        outcomes = [each.result() for each in asked]
    assert all(isinstance(outcome, Answered) for outcome in outcomes)
    assert len({outcome.request_id for outcome in outcomes}) == AT_ONCE
    assert lab.world.escrow.request_count() == before + AT_ONCE


def test_ask__credit_and_tokens_for_two__pays_both_at_once(lab: Lab, tmp_path: Path) -> None:
    """Neither may count on the credit that the other spends."""
    requester = lab.world.account("requester", tokens=2 * TEE)
    first = make_client(lab, tmp_path, requester)
    with answering(lab):
        first.ask(SPEC)
    assert lab.world.escrow.account_of(str(requester.address)).credit > 1
    with blocks_each_second(lab), answering(lab), ThreadPoolExecutor(2) as pool:
        second = make_client(lab, tmp_path, requester)
        asked = [pool.submit(client.ask, SPEC) for client in (first, second)]
        assert all(isinstance(each.result(), Answered) for each in asked)


def test_ask__permit_nonce_used_by_another_machine__signs_again(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requester = lab.world.account("requester", tokens=10 * TEE)
    client = make_client(lab, tmp_path, requester)
    send, refused = TransactionSender.send, []

    def send_after_another(sender: TransactionSender, call: Call) -> ConfirmedTransaction:
        if call.what == "requestWithPermit" and not refused:
            with monkeypatch.context() as patch:
                patch.setattr(TransactionSender, "send", send)
                make_client(lab, tmp_path / "other machine", requester).open_request(
                    client.prepare_offer(SPEC)
                )
        try:
            return send(sender, call)
        except ContractRejected as error:
            refused.append(error.name)
            raise

    monkeypatch.setattr(TransactionSender, "send", send_after_another)
    opened = client.open_request(client.prepare_offer(SPEC))
    assert refused == ["TokenAllowanceTooLow"]
    assert opened.sent is not None
    assert len(client.pending_requests()) == 1


def test_wallet_turn__held_by_another__is_retryable_then_free(tmp_path: Path) -> None:
    holder = wallet_turn(CHAIN_ID, "0xWallet", tmp_path)
    impatient = wallet_turn(CHAIN_ID, "0xWallet", tmp_path, patience_seconds=0.2)
    with holder():
        with pytest.raises(WalletBusy, match="0xWallet"), impatient():
            pass
        with wallet_turn(CHAIN_ID, "0xOther", tmp_path, patience_seconds=0)():
            pass
    with impatient():
        pass
    assert list(tmp_path.iterdir()) == []


def test_wallet_turn__holder_is_killed__is_free(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from teetee.client.requests.wallet_turn import wallet_turn\n"
        "with wallet_turn(1, '0xWallet', Path(sys.argv[1]))():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.kill()
    with wallet_turn(1, "0xWallet", tmp_path, patience_seconds=5)():
        pass


def test_wallet_turn__many_threads__one_at_a_time(tmp_path: Path) -> None:
    turn, inside = wallet_turn(1, "0xWallet", tmp_path), threading.Semaphore(1)
    alone: list[bool] = []

    def work(_: int) -> None:
        for _ in range(20):
            with turn():
                alone.append(inside.acquire(blocking=False))
                inside.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert alone == [True] * 80


def test_wallet_turn__unwritable_folder__goes_on_without(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    with wallet_turn(1, "0xWallet", file)():
        pass

# SPDX-License-Identifier: Apache-2.0
"""Shards that a wallet or a recheck cannot check stop no others.

given a host that is a contract
    when it enrols, renews and rekeys a shard
        a wallet should check the shard like any other, and so should a recheck
given a replica whose quote or event is wrong, or cannot be read
    when a wallet asks
        it should name the replica and the reason, and ask the others
        the sealed prompt should name the only shards that may compute
    when its shards are rechecked
        its outcome should have the reason, and the others be rechecked
given that no path is left without such shards
    when a wallet asks
        it should name each of them with its reason, and send nothing
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from teetee.chain.types.requests import RequestOpened
from teetee.chain.types.shards import ShardStatus
from teetee.client.client import Client
from teetee.client.contracts import Contracts
from teetee.client.errors import PathRefused, PathUncheckable
from teetee.client.requests.await_answer import Answered
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.collateral.rechecks import RecheckOutcome, recheck_shards
from teetee.protocol.prompt import Prompt
from tests.teetee.chain.local_chain import TEE
from tests.teetee.chain.rpc_proxy import FORWARD, Answer, node
from tests.teetee.client.contract_host import ContractHost
from tests.teetee.client.lab import ANSWER, AtWork, Lab, LabEnclave, enrol

pytestmark = pytest.mark.timeout(120)

SPEC = RequestSpec("Who looks both ways?", max_tokens=20, deadline_seconds=60)


@contextmanager
def wallet_behind(lab: Lab, folder: Path, answer: Answer) -> Iterator[Client]:
    account = lab.world.account("requester", tokens=10 * TEE)
    with node(answer, lab.chain.url) as url:
        yield Client(
            Contracts.connect(lab.chain.deployment, [url]),
            account,
            quotes=lab.quote_check(),
            verification_quotes=lab.quote_check(),
            pending=PendingRequests(folder),
            poll_seconds=0.05,
        )


def forward(_: str, __: list[Any]) -> Any:
    return FORWARD


def lying_about(lab: Lab, *texts: bytes) -> Answer:
    """A node whose events have other bytes wherever these are."""

    def answer(method: str, parameters: list[Any]) -> Any:
        if method != "eth_getLogs":
            return FORWARD
        logs = lab.chain.rpc(method, *parameters)
        for text in texts:
            changed = text[:-1] + bytes([text[-1] ^ 1])
            logs = [
                each | {"data": each["data"].replace(text.hex(), changed.hex())} for each in logs
            ]
        return logs

    return answer


def signature_of(lab: Lab, enclave: LabEnclave) -> bytes:
    """The quote's: no claim but the hash of the core depends on it."""
    assert enclave.shard_id is not None
    core, _ = lab.world.registry.quote(lab.world.registry.shard(enclave.shard_id))
    return core[632:696]


def core_hash_of(lab: Lab, enclave: LabEnclave) -> bytes:
    assert enclave.shard_id is not None
    return lab.world.registry.claims(lab.world.registry.shard(enclave.shard_id)).core_hash


def replica(lab: Lab) -> LabEnclave:
    enclave = lab.enclave(2, 4)
    enrol(lab, enclave)
    return enclave


def rechecked(lab: Lab, answer: Answer = forward) -> dict[int, RecheckOutcome]:
    sender = lab.world.sender(lab.world.account("caretaker"))
    with node(answer, lab.chain.url) as url:
        registry = Contracts.connect(lab.chain.deployment, [url]).registry
        return {int(each.shard_id): each for each in recheck_shards(registry, sender)}


class Entry(AtWork):
    """Settles each request, and keeps its prompt."""

    def __init__(self, lab: Lab) -> None:
        self.prompts: list[Prompt] = []

        def work(opened: RequestOpened) -> None:
            self.prompts.append(lab.open_envelope(opened)[2])
            lab.texts[opened.request_id] = [ANSWER]
            lab.settle(opened, lab.enclaves[:3])

        super().__init__(lab, work)


def test_h6__shard_enrolled_renewed_and_rekeyed_through_a_contract__is_checked_like_any_other(
    lab: Lab, tmp_path: Path
) -> None:
    host = ContractHost(lab)
    enclave = host.enclave(2, 4)
    host.enrol(enclave)
    assert_checked(lab, tmp_path, enclave)
    host.renew(enclave)
    assert_checked(lab, tmp_path, enclave)
    rebooted = lab.rebooted(enclave)
    host.rekey(enclave, rebooted)
    assert_checked(lab, tmp_path, rebooted)


def assert_checked(lab: Lab, folder: Path, enclave: LabEnclave) -> None:
    """By a wallet and by a recheck; and no transaction of the registry's own attested it."""
    assert enclave.shard_id is not None
    warnings: list[str] = []
    with wallet_behind(lab, folder, forward) as client:
        offer = client.prepare_offer(SPEC, warnings.append)
    assert warnings == []
    assert offer.tcb_statuses[int(enclave.shard_id)] == "UpToDate"
    outcome = rechecked(lab)[int(enclave.shard_id)]
    assert (outcome.after, outcome.error) == (ShardStatus.ACTIVE, None)
    shard = lab.world.registry.shard(enclave.shard_id)
    assert shard.keyset == enclave.keys.keyset
    attested_in = lab.world.registry.attestation(shard).transaction_hash
    called, _ = lab.world.connection.transaction_input(attested_in)
    assert called != lab.chain.deployment.registry


@pytest.mark.parametrize("changed", [signature_of, core_hash_of], ids=["quote", "event"])
def test_h6__a_replica_is_refused_or_unreadable__the_others_are_asked(
    lab: Lab, tmp_path: Path, changed: Any
) -> None:
    bad = replica(lab)
    warnings: list[str] = []
    entry = Entry(lab)
    with entry, wallet_behind(lab, tmp_path, lying_about(lab, changed(lab, bad))) as client:
        outcome = client.ask(SPEC, on_warning=warnings.append)
    assert isinstance(outcome, Answered)
    (warning,) = warnings
    assert warning.startswith(f"Shard {bad.shard_id} is left out. ")
    # the entry chooses the path, so the sealed prompt keeps the replica off it
    assert sorted(entry.prompts[0].shards.only) == [each.shard_id for each in lab.enclaves[:3]]


def test_h6__all_shards_are_fit__the_prompt_names_none(lab: Lab, tmp_path: Path) -> None:
    replica(lab)
    entry = Entry(lab)
    with entry, wallet_behind(lab, tmp_path, forward) as client:
        client.ask(SPEC, on_warning=pytest.fail)
    assert entry.prompts[0].shards.only == ()


def test_h6__no_path_is_left__names_each_shard_and_sends_nothing(lab: Lab, tmp_path: Path) -> None:
    bad = replica(lab)
    lie = lying_about(lab, signature_of(lab, lab.enclaves[1]), signature_of(lab, bad))
    before = lab.world.escrow.request_count()
    with wallet_behind(lab, tmp_path, lie) as client, pytest.raises(PathRefused) as refused:
        client.ask(SPEC)
    assert set(refused.value.problems) == {lab.enclaves[1].shard_id, bad.shard_id}
    assert all("quote" in reason for reason in refused.value.problems.values())
    assert "no active shard continues a path at layer 2" in str(refused.value)
    assert lab.world.escrow.request_count() == before


def test_h6__no_shard_passes__names_the_model_and_each_shard(lab: Lab, tmp_path: Path) -> None:
    lie = lying_about(lab, *(signature_of(lab, each) for each in lab.enclaves[:3]))
    with wallet_behind(lab, tmp_path, lie) as client, pytest.raises(PathRefused) as refused:
        client.ask(SPEC)
    assert set(refused.value.problems) == {each.shard_id for each in lab.enclaves[:3]}
    assert f"Model {lab.model_id} has no active entry shard" in str(refused.value)


def test_h6__event_of_the_only_shard_is_missing__may_pass_later(lab: Lab, tmp_path: Path) -> None:
    lie = lying_about(lab, core_hash_of(lab, lab.enclaves[1]))
    with wallet_behind(lab, tmp_path, lie) as client, pytest.raises(PathUncheckable) as refused:
        client.ask(SPEC)
    assert list(refused.value.problems) == [lab.enclaves[1].shard_id]


def test_h6_recheck__node_says_nonsense_about_one_shard__the_others_are_rechecked(
    lab: Lab,
) -> None:
    outcomes = rechecked(lab, lying_about(lab, core_hash_of(lab, lab.enclaves[1])))
    assert set(outcomes) == {int(each.shard_id or 0) for each in lab.enclaves[:3]}
    error = outcomes.pop(int(lab.enclaves[1].shard_id or 0)).error
    assert "returns no ShardEnrolled" in str(error)
    assert {each.error for each in outcomes.values()} == {None}

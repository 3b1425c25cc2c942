# SPDX-License-Identifier: Apache-2.0
"""`verify` long afterwards, when the path's shards have renewed, left, or been evicted.

given a settled request
    when a shard has renewed since
        it should be verified by the quote that was settled
    when a shard has retired, or was evicted with its measurement withdrawn
        it should still be verified, because it was fit then
given a quote that the collateral does not accept
    when it is verified
        it should be refused, unless the status is accepted by name
"""

from __future__ import annotations

from pathlib import Path

from teetee.client.client import Client
from teetee.client.hosting.hosting import Hosting
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ShardId
from tests.teetee.chain.local_chain import ATTESTATION_PERIOD, TEE
from tests.teetee.client.lab import AtWork, Lab, LabEnclave


def settled_request(lab: Lab, folder: Path) -> tuple[Client, int]:
    client = Client(
        lab.contracts(),
        lab.world.account("requester", tokens=TEE),
        quotes=lab.quote_check(),
        verification_quotes=lab.quote_check(),
        pending=PendingRequests(folder),
        poll_seconds=0.05,
    )
    with AtWork(lab, lambda opened: lab.settle(opened, lab.enclaves[:3])):
        outcome = client.ask(RequestSpec("Why?", max_tokens=20, deadline_seconds=60))
    return client, outcome.request_id


def shard_of(enclave: LabEnclave) -> ShardId:
    assert enclave.shard_id is not None
    return enclave.shard_id


def renew(lab: Lab, enclave: LabEnclave) -> None:
    hosting = Hosting(
        lab.contracts(),
        enclave.host,
        lab.world.sender(enclave.host),
        quotes=None,
        notify=lambda _: None,
    )
    shard = lab.world.registry.shard(shard_of(enclave))
    verified = hosting.verify_enclave(
        Endpoint.parse(enclave.endpoint), enclave.endpoint, str(enclave.host.address)
    )
    hosting.renew(shard, verified)


def test_verify__shard_renewed_since__uses_the_settled_quote(lab: Lab, tmp_path: Path) -> None:
    client, request_id = settled_request(lab, tmp_path)
    before = lab.world.registry.shard(shard_of(lab.enclaves[1])).quote_hash
    lab.chain.pass_time(100)
    renew(lab, lab.enclaves[1])
    assert lab.world.registry.shard(shard_of(lab.enclaves[1])).quote_hash != before
    report = client.verify(request_id)
    assert report.failures == ()
    assert report.path[1].quote_hash == before


def test_verify__shard_retired_since__is_verified(lab: Lab, tmp_path: Path) -> None:
    client, request_id = settled_request(lab, tmp_path)
    lab.chain.pass_time(100)
    host = lab.enclaves[2].host
    lab.world.sender(host).send(lab.world.registry.retire(shard_of(lab.enclaves[2])))
    assert client.verify(request_id).failures == ()


def test_verify__measurement_withdrawn_since__is_verified(lab: Lab, tmp_path: Path) -> None:
    client, request_id = settled_request(lab, tmp_path)
    lab.chain.pass_time(100)
    measurement = lab.world.registry.shard(shard_of(lab.enclaves[0])).measurement
    registry = lab.chain.contract("ShardRegistry", lab.chain.deployment.registry)
    withdraw = registry.functions.withdrawMeasurement(lab.model_id, measurement)
    lab.chain.act(lab.chain.deployer, withdraw)
    stranger = lab.world.account("stranger")
    lab.world.sender(stranger).send(lab.world.registry.evict(shard_of(lab.enclaves[0])))
    report = client.verify(request_id)
    assert report.failures == ()
    assert report.verified


def test_renew__evicted_for_its_age__brings_the_shard_back(lab: Lab) -> None:
    enclave = lab.enclaves[0]
    lab.chain.pass_time(ATTESTATION_PERIOD + 1)
    stranger = lab.world.account("stranger")
    lab.world.sender(stranger).send(lab.world.registry.evict(shard_of(enclave)))
    assert not lab.world.registry.is_active(shard_of(enclave))
    renew(lab, enclave)
    assert lab.world.registry.is_active(shard_of(enclave))

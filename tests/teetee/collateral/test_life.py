# SPDX-License-Identifier: Apache-2.0
"""Collateral from a PCCS to the chain, and its effect on shards: real contracts, simulated Intel.

given a chain without collateral, or with all of it
    sync should upload everything, in an order that contracts can verify, or nothing
given a PCCS that is silent, lies, or has another root
    it should say so, and upload nothing
given enrolled shards, and new collateral
    in which a certificate is revoked, a TCB is out of date, the authority is revoked
        a recheck should evict in its own block
    which has all expired
        a recheck should pause, and fresh collateral reactivate the shard
    with a stricter set beside the standard one
        it should evict no shard
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tee_simulator.collateral.pccs import Pccs
from tee_simulator.guest.enclave import utc_now
from tee_simulator.guest.machine import FMSPC
from tee_simulator.http_server import HttpServer, Response
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.chain.contracts.collateral import PlatformKind
from teetee.chain.types.shards import ShardStatus
from teetee.collateral.pccs import PccsReader
from teetee.collateral.platform_kinds import parse_platform_kind
from teetee.collateral.synchronization import Synchronization
from teetee.errors import FieldInvalid
from teetee.quotes.errors import CollateralInvalid, CollateralUnavailable
from teetee.quotes.tcb_status import TcbStatus
from tests.teetee.cli.terminal import at_lab, teetee
from tests.teetee.client.lab import Lab, borrowed, running_lab
from tests.teetee.collateral.intel import Intel, leaf_serial

KIND = PlatformKind(FMSPC, bytes(2))
EVERYTHING = ["root CRL", "platform CRL", "QE identity 20", f"TCB info {KIND} 20"]


@pytest.fixture(scope="module")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("collateral")) as lab:
        yield lab


@pytest.fixture
def intel(_lab: Lab) -> Iterator[Intel]:
    with borrowed(_lab):
        service = Intel(_lab)
        yield service
        service.says()


# ---------------------------------------------------------------- bringing


def test_sync__chain_has_all__brings_nothing(intel: Intel) -> None:
    items = intel.synchronize()
    assert [item.what for item in items] == EVERYTHING
    assert [item.sent for item in items] == [None] * 4


def test_sync__all_is_issued_again__uploads_all(intel: Intel) -> None:
    intel.says()
    items = intel.synchronize()
    assert [item.what for item in items if item.sent] == EVERYTHING
    assert all(item.issued_at > item.stored.issued_at for item in items)
    store = intel.lab.contracts().collateral
    assert store.tcb_info(KIND, 20).issued_at == items[3].issued_at
    assert [item.sent for item in intel.synchronize()] == [None] * 4


def test_sync__number_rolls_on__is_kept_beside_the_old(intel: Intel) -> None:
    intel.says(evaluation_number=21)
    intel.synchronize()
    store = intel.lab.contracts().collateral
    assert store.tcb_info_numbers(KIND) == (20, 21)
    assert store.qe_identity_numbers() == (20, 21)


def test_sync__another_root__brings_nothing(intel: Intel, tmp_path: Path) -> None:
    contracts = intel.lab.contracts()
    with HttpServer.on_loopback(0, Pccs(SimulatedPki.open(tmp_path), utc_now)) as foreign:
        synchronization = Synchronization(
            PccsReader(f"http://127.0.0.1:{foreign.port}"),
            contracts.collateral,
            contracts.certificates,
            intel.lab.world.sender(intel.account),
            root_fingerprint=contracts.deployment.root_ca_fingerprint,
        )
        with pytest.raises(CollateralInvalid, match="has another root"):
            list(synchronization.run({KIND}))


def test_sync__pccs_does_not_know_the_kind__says_so(intel: Intel) -> None:
    synchronization = intel.lab.synchronization(intel.account)
    with pytest.raises(CollateralUnavailable, match="HTTP 404"):
        list(synchronization.run({parse_platform_kind("00806F050000")}))


def test_pccs__no_answer__is_retryable() -> None:
    with pytest.raises(CollateralUnavailable, match="no connection"):
        PccsReader("http://127.0.0.1:1").pck_crl()


class Babbling:
    """Gives every request the same answer."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        self.answer = body, headers

    def respond(self, method: str, target: str, body: bytes) -> Response:
        content, headers = self.answer
        return Response(200, content, headers=headers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "headers", "rule"),
    [
        (b"{}", {}, "comes without TCB-Info-Issuer-Chain"),
        (b"{}", {"TCB-Info-Issuer-Chain": "nothing"}, "has 0 certificates"),
        (b"{" * 2000, {"TCB-Info-Issuer-Chain": "nothing"}, "has 0 certificates"),
        (b"\xff", {}, "has a tcbInfo that is not text"),
        (b"0" * (9 << 20), {}, "has more than 8388608 bytes"),
    ],
)
def test_pccs__babbles__refused(body: bytes, headers: dict[str, str], rule: str) -> None:
    with HttpServer.on_loopback(0, Babbling(body, headers)) as listener:
        reader = PccsReader(f"http://127.0.0.1:{listener.port}/sgx/certification/v4/")
        with pytest.raises(CollateralInvalid, match=rule):
            reader.tcb_info(KIND)


@pytest.mark.parametrize("fmspc", ["", "00", "no hex at all", "00806F05000000"])
def test_kind_of__not_an_fmspc__refused(fmspc: str) -> None:
    with pytest.raises(FieldInvalid):
        parse_platform_kind(fmspc)


# ---------------------------------------------------------------- what it does to shards


def test_recheck__nothing_has_changed__all_stay(intel: Intel) -> None:
    head = intel.lab.world.connection.head().number
    assert set(intel.recheck().values()) == {ShardStatus.ACTIVE}
    assert intel.lab.world.connection.head().number == head


def test_recheck__a_certificate_is_revoked__its_shard_alone_is_evicted(intel: Intel) -> None:
    intel.says(revoked_pcks=[leaf_serial(intel.lab, 1)])
    assert set(intel.recheck().values()) == {
        ShardStatus.ACTIVE
    }  # the chain has no new collateral yet
    intel.synchronize()
    after = intel.recheck()
    assert after.pop(int(intel.lab.enclaves[1].shard_id or 0)) is ShardStatus.EVICTED
    assert set(after.values()) == {ShardStatus.ACTIVE}


def test_recheck__the_authority_is_revoked__all_are_evicted(intel: Intel) -> None:
    intel.says(platform_ca_revoked=True)
    intel.synchronize()
    assert set(intel.recheck().values()) == {ShardStatus.EVICTED}


@pytest.mark.parametrize("status", ["OutOfDate", "SWHardeningNeeded", "Revoked"])
def test_recheck__tcb_is_lowered__all_of_the_kind_are_evicted(intel: Intel, status: str) -> None:
    intel.says(platform_status=status)
    intel.synchronize()
    assert set(intel.recheck().values()) == {ShardStatus.EVICTED}


def test_recheck__a_stricter_set_beside_the_standard_one__evicts_no_shard(intel: Intel) -> None:
    intel.says(platform_status="OutOfDate", evaluation_number=21)
    intel.synchronize()
    assert set(intel.recheck().values()) == {ShardStatus.ACTIVE}


def test_recheck__collateral_has_expired__pauses_until_fresh_is_uploaded(intel: Intel) -> None:
    intel.says(life_seconds=600)
    intel.synchronize()
    intel.lab.chain.pass_time(700)
    assert set(intel.recheck().values()) == {ShardStatus.PAUSED}
    assert not intel.lab.world.registry.active_shards(intel.lab.model_id)
    intel.says()
    intel.synchronize()
    assert set(intel.recheck().values()) == {ShardStatus.ACTIVE}
    assert len(intel.lab.world.registry.active_shards(intel.lab.model_id)) == 3


def test_shard__enrolled__says_what_it_was_judged_by(intel: Intel) -> None:
    shard = intel.lab.world.registry.active_shards(intel.lab.model_id)[0]
    assert shard.tcb_status is TcbStatus.UP_TO_DATE
    assert shard.evaluation_number == 20
    assert shard.collateral_until > intel.lab.chain.now()


def test_policy__of_a_new_model__wants_up_to_date_platforms(intel: Intel) -> None:
    policy = intel.lab.world.registry.policy(intel.lab.model_id)
    assert policy.accepted == {TcbStatus.UP_TO_DATE}
    assert policy.minimum_evaluation_number == 0


# ---------------------------------------------------------------- the command


def test_command__show_sync_recheck__in_json(intel: Intel, tmp_path: Path) -> None:
    lab = intel.lab
    intel.says(platform_status="OutOfDate")
    env = at_lab(lab, tmp_path, intel.account)
    shown = teetee("collateral", "show", "--json", env=env)
    assert shown.status == 0, shown.err
    assert {item["what"] for item in shown.json if item["inForce"]} >= {
        EVERYTHING[0],
        *EVERYTHING[2:],
    }
    synced = teetee("collateral", "sync", "--recheck", "--json", env=env)
    assert synced.status == 0, synced.err
    assert [item["uploaded"] for item in synced.json["items"]] == [True] * 4
    assert {each["after"] for each in synced.json["rechecks"]} == {"EVICTED"}
    shard = str(lab.enclaves[0].shard_id)
    refused = teetee("host", "recheck", shard, "--json", env=env)
    assert refused.status == 1
    assert "ShardNotActive" in json.dumps(json.loads(refused.out))


def test_command__show_and_sync__as_tables(intel: Intel, tmp_path: Path) -> None:
    env = at_lab(intel.lab, tmp_path, intel.account)
    intel.synchronize()
    shown = teetee("collateral", "show", env=env)
    assert "TCB info 53494D544458 20" in shown.out
    synced = teetee("collateral", "sync", "--recheck", env=env)
    assert synced.status == 0
    assert "✓ was there" in synced.out
    stays = teetee("host", "recheck", str(intel.lab.enclaves[0].shard_id), env=env)
    assert stays.err.strip().endswith("stays active.")


def test_command__sync_without_a_pccs__says_how_to_name_one(intel: Intel, tmp_path: Path) -> None:
    env = at_lab(intel.lab, tmp_path, intel.account)
    del env["TEETEE_PCCS"]
    failed = teetee("collateral", "sync", "--json", env=env)
    assert failed.status == 1
    assert failed.json["error"]["name"] == "NoCollateralSource"

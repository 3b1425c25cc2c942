# SPDX-License-Identifier: Apache-2.0
"""`host`, `shards` and `models` as a shell sees them, on a real chain with simulated quotes.

given an enclave that runs
    when its host enrols, renews and retires it
        it should be in the registry, stay, and leave
    when a stranger enrols it
        it should be refused before anything is sent
given a host
    when it looks, withdraws, tops up and evicts
        it should see and move what is there
given models and shards
    when anyone lists them
        it should show ranges, prices, verdicts and gaps
given settings for an enclave
    when it is run
        it should hand them over, and no key of the wallet
"""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from typing import Any

import pytest

from teetee.cli.commands.host.run import enclave_environment
from teetee.client import pinned_tls
from teetee.client.errors import EnclaveUnreachable
from teetee.client.hosting import shard_probe
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange
from tests.teetee.chain.local_chain import (
    ATTESTATION_PERIOD,
    BOND,
    TEE,
    UNBONDING_PERIOD,
    free_port,
)
from tests.teetee.cli.terminal import at_lab, teetee
from tests.teetee.client.lab import AtWork, Lab

pytestmark = pytest.mark.timeout(120)


def test_enrol__own_enclave__is_active_and_earns_later(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclave(2, 6)
    env = at_lab(lab, tmp_path, enclave.host)
    result = teetee("host", "enrol", enclave.endpoint, "--json", env=env)
    assert result.status == 0
    shard = lab.world.registry.shard(ShardId(result.json["shardId"]))
    assert shard.is_active
    assert shard.keyset == enclave.keys.keyset
    assert shard.endpoint == enclave.endpoint
    assert result.json["tcbStatus"] == "UpToDate"
    # A new machine: its certificate is added first; the authority is known.
    assert [each["call"] for each in result.json["transactions"]] == [
        "addPckCertificate",
        "approve",
        "enrol",
    ]


def test_keys__enclave_runs__shows_its_keyset_and_sends_nothing(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclaves[0]
    before = lab.chain.web3.eth.block_number
    result = teetee(
        *("host", "keys", enclave.endpoint, "--json"), env=at_lab(lab, tmp_path, enclave.host)
    )
    assert result.json["signer"] == enclave.keys.keyset.signer
    assert result.json["tls"] == "0x" + enclave.keys.keyset.tls.hex()
    assert lab.chain.web3.eth.block_number == before


def test_keys__by_a_stranger_or_without_a_wallet__shows_them_and_says_who_may_enrol(
    lab: Lab, tmp_path: Path
) -> None:
    enclave, stranger = lab.enclaves[0], lab.world.account("stranger")
    arguments = ("host", "keys", enclave.endpoint)
    result = teetee(*arguments, "--json", env=at_lab(lab, tmp_path, stranger))
    assert (result.status, result.json["signer"]) == (0, enclave.keys.keyset.signer)
    [objection] = result.json["objections"]
    assert str(enclave.host.address) in objection
    assert "You cannot enrol this enclave" in result.err
    without = teetee(*arguments, env=at_lab(lab, tmp_path))
    assert without.status == 0
    assert f"  signer    {enclave.keys.keyset.signer}\n" in without.out


def test_enrol__enclave_of_another__is_refused(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclave(2, 6)
    stranger = lab.world.account("stranger", tokens=BOND)
    before = lab.world.registry.shard_count()
    result = teetee(
        *("host", "enrol", enclave.endpoint, "--json"), env=at_lab(lab, tmp_path, stranger)
    )
    assert (result.status, result.json["error"]["name"]) == (1, "StatementRefused")
    assert str(enclave.host.address) in result.json["error"]["message"]
    assert lab.world.registry.shard_count() == before


def test_enrol__no_enclave_there__may_pass(lab: Lab, tmp_path: Path) -> None:
    host = lab.world.account("shard host", tokens=BOND)
    result = teetee(
        "host", "enrol", "127.0.0.1:9", "--wait", "0", "--json", env=at_lab(lab, tmp_path, host)
    )
    assert (result.status, result.json["error"]["name"]) == (75, "EnclaveUnreachable")


def test_enrol__enclave_is_still_starting__waits_for_it(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enclave, connect, attempts = lab.enclave(2, 6), pinned_tls.connect, []

    def starting(endpoint: Endpoint, **options: Any) -> ssl.SSLSocket:
        attempts.append(endpoint)
        if len(attempts) < 3:
            raise EnclaveUnreachable(str(endpoint), "it is starting")
        return connect(endpoint, **options)

    monkeypatch.setattr(pinned_tls, "connect", starting)
    monkeypatch.setattr(shard_probe, "RETRY_SECONDS", 0.01)
    env = at_lab(lab, tmp_path, enclave.host)
    result = teetee("host", "enrol", enclave.endpoint, env=env)
    assert result.status == 0
    assert result.err.count("does not answer yet (it is starting); trying again for 1 min.") == 1
    assert len(attempts) == 4  # two in vain, one to see that it listens, one for the quote


def test_enrol__too_poor_for_the_bond__says_so(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclave(2, 6)
    token = lab.world.token
    balance = token.balance_of(str(enclave.host.address))
    away = token.transfer(str(lab.chain.treasury.address), balance)
    lab.world.sender(enclave.host).send(away)
    result = teetee(
        *("host", "enrol", enclave.endpoint, "--json"), env=at_lab(lab, tmp_path, enclave.host)
    )
    assert (result.status, result.json["error"]["name"]) == (1, "BondNotCovered")


def test_enrol__payout_with_wrong_checksum__is_a_usage_error(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclave(2, 6)
    wrong = str(enclave.host.address).swapcase().replace("0X", "0x")
    result = teetee(
        *("host", "enrol", enclave.endpoint, "--payout", wrong),
        env=at_lab(lab, tmp_path, enclave.host),
    )
    assert result.status == 2
    assert "checksum" in result.err


def test_renew__before_it_expires__extends_the_attestation(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclaves[1]
    shard_id = ShardId(int(enclave.shard_id or 0))
    before = lab.world.registry.shard(shard_id).attested_until
    lab.chain.pass_time(3600)
    result = teetee(
        *("host", "renew", str(shard_id), "--skip-quote-check", "--json"),
        env=at_lab(lab, tmp_path, enclave.host),
    )
    assert result.status == 0
    assert result.json["attestedUntil"] >= before + 3600


def test_renew__by_another_enclave__is_refused(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclaves[1]
    other = lab.enclave(2, 4)
    env = at_lab(lab, tmp_path, enclave.host)
    result = teetee(
        *("host", "renew", str(enclave.shard_id), "--connect", other.endpoint, "--json"), env=env
    )
    assert (result.status, result.json["error"]["name"]) == (1, "StatementRefused")


def test_c1_rekey__machine_was_rebooted__keeps_shard_and_bond(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclave(2, 4)
    env = at_lab(lab, tmp_path, enclave.host)
    enrolled = teetee("host", "enrol", enclave.endpoint, "--skip-quote-check", "--json", env=env)
    shard = str(enrolled.json["shardId"])
    unchanged = teetee("host", "rekey", shard, "--json", env=env)
    assert (unchanged.status, unchanged.json["error"]["name"]) == (1, "KeysUnchanged")
    rebooted = lab.rebooted(enclave)
    renewed = teetee(*("host", "renew", shard, "--connect", rebooted.endpoint, "--json"), env=env)
    assert renewed.json["error"]["name"] == "OtherEnclave"
    assert f"teetee host rekey {shard}" in renewed.json["error"]["message"]
    arguments = ("rekey", shard, "--endpoint", rebooted.endpoint, "--skip-quote-check", "--json")
    too_early = teetee("host", *arguments, env=env)
    assert (too_early.status, too_early.json["error"]["name"]) == (1, "RekeyQuoteNotNewer")
    lab.chain.rpc("anvil_mine", hex(2))
    result = teetee("host", *arguments, env=env)
    assert result.status == 0
    assert result.json["signer"] == rebooted.keys.keyset.signer
    assert [sent["call"] for sent in result.json["transactions"]] == ["rekey"]
    found = lab.world.registry.shard(ShardId(int(shard)))
    assert (found.keyset, found.endpoint) == (rebooted.keys.keyset, rebooted.endpoint)
    assert (found.bond, found.is_active) == (BOND, True)
    core, _ = lab.world.registry.quote(found)
    assert len(core) > 1000


def test_rekey__enclave_serves_other_layers__is_refused(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclaves[1]
    other = lab.rebooted(enclave, layers=LayerRange(3, 4))
    result = teetee(
        *("host", "rekey", str(enclave.shard_id), "--connect", other.endpoint, "--json"),
        env=at_lab(lab, tmp_path, enclave.host),
    )
    assert (result.status, result.json["error"]["name"]) == (1, "OtherLayers")


def test_retire__then_bond__comes_back_after_the_unbonding(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclaves[2]
    env = at_lab(lab, tmp_path, enclave.host)
    shard = str(enclave.shard_id)
    assert teetee("host", "retire", shard, "--json", env=env).json["unbondingSeconds"] == (
        UNBONDING_PERIOD
    )
    early = teetee("host", "withdraw", "--bond", shard, "--json", env=env)
    assert early.status == 1
    lab.chain.pass_time(UNBONDING_PERIOD + 1)
    balance = lab.world.token.balance_of(str(enclave.host.address))
    assert teetee("host", "withdraw", "--bond", shard, "--json", env=env).status == 0
    assert lab.world.token.balance_of(str(enclave.host.address)) == balance + BOND


def test_retire__shard_of_another__is_refused(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.enclaves[0].host)
    result = teetee("host", "retire", str(lab.enclaves[1].shard_id), "--json", env=env)
    assert (result.status, result.json["error"]["name"]) == (1, "ShardOfAnother")


def test_evict__expired_shard__is_out(lab: Lab, tmp_path: Path) -> None:
    lab.chain.pass_time(ATTESTATION_PERIOD + 1)
    stranger = lab.world.account("stranger")
    env = at_lab(lab, tmp_path, stranger)
    assert teetee("host", "evict", "2", "--json", env=env).status == 0
    [supply] = teetee("shards", "--all", "--json", env=env).json
    assert [shard["status"] for shard in supply["shards"]] == ["ACTIVE", "EVICTED", "ACTIVE"]
    assert supply["gaps"] == [[0, 6]]
    assert supply["openSlots"] == [{"layers": [0, 6], "shards": 0}]


def test_top_up__any_shard__raises_its_bond(lab: Lab, tmp_path: Path) -> None:
    helper = lab.world.account("well-wisher", tokens=TEE)
    result = teetee("host", "top-up", "1", "0.5", "--json", env=at_lab(lab, tmp_path, helper))
    assert result.status == 0
    assert lab.world.registry.shard(ShardId(1)).bond == BOND + TEE // 2


def test_status__after_earning__shows_it_and_withdraws(lab: Lab, tmp_path: Path) -> None:
    requester = lab.world.account("requester", tokens=TEE)
    with AtWork(lab, lambda opened: lab.settle(opened, lab.enclaves[:3])):
        asked = teetee(
            *("ask", "Why?", "--json", "--deadline", "60", "--max-tokens", "20"),
            env=at_lab(lab, tmp_path, requester),
        ).json
    env = at_lab(lab, tmp_path, lab.enclaves[0].host)
    status = teetee("host", "status", "--json", env=env).json
    earned = asked["verification"]["payouts"][0]["amount"]
    assert status["credit"] == earned
    assert [shard["shardId"] for shard in status["shards"]] == [1]
    assert status["shards"][0]["allowanceQuota"] > 0
    shown = teetee("host", "status", env=env)
    assert (shown.status, "earned or refunded" in shown.out) == (0, True)
    withdrawn = teetee("host", "withdraw", "--json", env=env).json
    assert withdrawn["amount"] == earned
    repeated = teetee("host", "withdraw", "--json", env=env)
    assert repeated.json["error"]["name"] == "NothingToWithdraw"


def test_shards__whole_model__shows_path_prices_and_verdicts(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path)
    [supply] = teetee("shards", "--json", env=env).json
    assert supply["hasPath"] is True
    assert supply["gaps"] == []
    assert [shard["layers"] for shard in supply["shards"]] == [[0, 2], [2, 4], [4, 6]]
    assert [shard["tcbStatus"] for shard in supply["shards"]] == ["UpToDate"] * 3
    assert supply["openSlots"] == [
        {"layers": layers, "shards": 1} for layers in ([0, 2], [2, 4], [4, 6])
    ]
    shown = teetee("shards", env=env)
    assert "the registered shards form a whole path" in shown.out
    assert "wanted: layers 2-4: one shard, no replica" in shown.out
    assert "UpToDate" in shown.out


def test_shards__probe__tells_who_answers(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclaves[1]
    elsewhere = f"127.0.0.1:{free_port()}"
    renewed = teetee(
        *("host", "renew", str(enclave.shard_id), "--endpoint", elsewhere),
        *("--connect", enclave.endpoint, "--skip-quote-check"),
        env=at_lab(lab, tmp_path, enclave.host),
    )
    assert renewed.status == 0
    env = at_lab(lab, tmp_path)
    [listing] = teetee("shards", "--probe", "--json", env=env).json
    assert [shard["probe"]["up"] for shard in listing["shards"]] == [True, False, True]
    assert elsewhere in listing["shards"][1]["probe"]["problem"]
    shown = teetee("shards", "--probe", env=env).out
    assert "✗ no whole path answers: shard 2 is down" in shown
    [without] = teetee("shards", "--json", env=env).json
    assert [shard["probe"] for shard in without["shards"]] == [None] * 3


def test_shards__retired__shows_no_expiry(lab: Lab, tmp_path: Path) -> None:
    enclave = lab.enclaves[2]
    env = at_lab(lab, tmp_path, enclave.host)
    assert teetee("host", "retire", str(enclave.shard_id), env=env).status == 0
    shown = teetee("shards", "--all", env=env).out
    [line] = [line for line in shown.splitlines() if enclave.endpoint in line]
    assert re.search(r"✗ retired +0x", line)
    assert "✗ no shard for layers 4-6" in shown


def test_quote_show__enrolled_shard__is_the_quote_that_the_chain_holds(
    lab: Lab, tmp_path: Path
) -> None:
    env = at_lab(lab, tmp_path)
    shown = teetee("quote", "show", "--shard", "2", "--json", env=env)
    assert shown.status == 0
    [listing] = teetee("shards", "--json", env=env).json
    assert "0x" + shown.json["tdReport"]["measurement"] == listing["shards"][1]["measurement"]
    assert shown.json["platform"]["issuer"] == "SIMULATED SGX PCK Platform CA"


def test_models__published__shows_them(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path)
    [model] = teetee("models", "--json", env=env).json
    assert (model["modelId"], model["layerCount"], model["hasPath"]) == (1, 6, True)
    assert "✓ all layers" in teetee("models", env=env).out


def test_enclave_environment__options_and_keys__hands_over_no_key() -> None:
    environment = enclave_environment(
        {
            "PATH": "/bin",
            "TEETEE_PRIVATE_KEY": "k",
            "TEETEE_PASSPHRASE": "p",
            "TEETEE_LAYERS": "0-1",
        },
        {"TEETEE_CHAIN_ID": "1", "TEETEE_LAYERS": "never"},
        {"TEETEE_LAYERS": "0-10", "TEETEE_MODEL": None},
    )
    assert environment == {"PATH": "/bin", "TEETEE_CHAIN_ID": "1", "TEETEE_LAYERS": "0-10"}


def test_run__settings_given__becomes_the_enclaves_process(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []

    def execute(_path: str, arguments: list[str], environment: dict[str, str]) -> None:
        started.append((arguments, environment))

    monkeypatch.setattr("os.execvpe", execute)
    host = lab.enclaves[0].host
    result = teetee(
        *("host", "run", "--model", "m.gguf", "--model-id", "1", "--layers", "0-2", "--entry"),
        env=at_lab(lab, tmp_path, host),
    )
    assert result.status == 0
    [(arguments, environment)] = started
    assert arguments[1:] == ["-m", "oracle", "run"]
    assert environment["TEETEE_DATA_DIRECTORY"] == str(
        tmp_path / "teetee" / "shards" / "model-1-layers-0-2-port-7443"
    )
    assert environment["TEETEE_HOST"] == host.address
    assert environment["TEETEE_RPC_URL"] == lab.chain.url
    assert environment["TEETEE_IS_ENTRY"] == "true"
    assert environment["TEETEE_KEYS_DIRECTORY"] == (
        f"/dev/shm/teetee-{os.getuid()}/model-1-layers-0-2-port-7443"
    )
    assert "TEETEE_PRIVATE_KEY" not in environment


def test_run__another_node_is_named__option_wins_over_the_variable(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments: list[dict[str, str]] = []
    monkeypatch.setattr("os.execvpe", lambda _path, _arguments, given: environments.append(given))
    env = at_lab(lab, tmp_path, lab.enclaves[0].host)
    teetee(
        *("host", "run", "--model", "m.gguf", "--model-id", "1", "--layers", "0-2"),
        *("--rpc", "http://one.invalid, http://two.invalid"),
        env=env,
    )
    [environment] = environments
    assert environment["TEETEE_RPC_URL"] == "http://one.invalid,http://two.invalid"

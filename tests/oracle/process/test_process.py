# SPDX-License-Identifier: Apache-2.0
"""The process as an operator meets it: real contracts, real TLS, a tiny random Llama.

given an entry and a second stage in a process of its own
    when a question is asked: both should sign receipts, and the path should be paid
    when the stage dies in the middle and comes back: the request should still be settled, once
given a signer without ether
    it should say whom to send how much, and settle once it has some
given SIGTERM while a request runs
    it should finish within its grace and exit 0; without grace the next start should settle
given several questions at once
    they should be settled in fewer transactions
given weights with one flipped byte, an unknown model, a foreign chain, a wrong range, a port or a
data directory in use, or settings that are missing
    it should exit 1, say why, and not be enrolled
"""

import hashlib
import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.__main__ import main
from shard_runtime import build_manifest, open_model
from teetee.chain.deployment import Deployment
from teetee.chain.types.requests import RequestStatus
from teetee.client.requests.entry_info import ask_template_tokens
from teetee.protocol.identifiers import ShardId
from teetee.protocol.prompt import TemplateTokens
from tests.oracle.enclave_world import Asked, EnclaveWorld, LocalEnclave
from tests.oracle.oracle_process import OracleProcess
from tests.teetee.chain.local_chain import LocalChain

EXIT_SECONDS = 40.0


@pytest.fixture
def entry(world: EnclaveWorld, tmp_path: Path) -> LocalEnclave:
    """Over the whole model."""
    return LocalEnclave(world, f"entry-{tmp_path.name}")


@pytest.fixture
def pair(world: EnclaveWorld, tmp_path: Path) -> tuple[LocalEnclave, LocalEnclave]:
    """An entry over half of the model, and a stage over the other."""
    name = tmp_path.name
    first = LocalEnclave(world, f"first-{name}", TEETEE_LAYERS="0-2")
    second = LocalEnclave(world, f"second-{name}", TEETEE_LAYERS="2-4", TEETEE_IS_ENTRY="false")
    return first, second


def started(enclave: LocalEnclave, process: OracleProcess) -> ShardId:
    process.ready()
    return enclave.enrol()


def events(enclave: LocalEnclave) -> Iterator[dict[str, Any]]:
    for line in enclave.log.read_text().splitlines():
        if line.startswith('{"event"'):
            yield json.loads(line)


def test_run__two_stages__both_sign_and_are_paid(
    world: EnclaveWorld, pair: tuple[LocalEnclave, LocalEnclave]
) -> None:
    first, second = pair
    with first.running() as entry, second.running() as stage:
        shard_ids = [started(first, entry), started(second, stage)]
        asked = world.ask(shard_ids[0])
        assert world.await_end(asked).status is RequestStatus.SETTLED
        assert entry.terminate() == 0
        assert stage.terminate() == 0
    settled, answer = world.read_answer(asked)
    assert [stage.shard_id for stage in settled.stages] == shard_ids
    assert [stage.host for stage in settled.stages] == [first.host.address, second.host.address]
    assert len(answer.token_ids) == settled.output_tokens == 12


def test_run__entry_serves__says_what_its_template_adds(
    world: EnclaveWorld, entry: LocalEnclave
) -> None:
    with entry.running() as process:
        shard_id = started(entry, process)
        world.await_end(world.ask(shard_id))  # by then it serves
        shard = world.registry.shard(shard_id)
        # The template puts the contents side by side; each message may be one word.
        assert ask_template_tokens([shard], pytest.fail) == TemplateTokens(0, 0, 1)
        assert process.terminate() == 0


def test_run__stage_dies_in_the_middle_and_comes_back__settles_once(
    world: EnclaveWorld, pair: tuple[LocalEnclave, LocalEnclave]
) -> None:
    """THREATS row 28, without a replica: the request waits for the stage."""
    first, second = pair
    with first.running(slow=0.1) as entry:
        with second.running() as stage:
            shard_id = started(first, entry)
            started(second, stage)
            asked = world.ask(shard_id)
            world.await_stream(first.port, shard_id, asked)
        assert world.escrow.request_of(asked.request_id).status is RequestStatus.OPEN
        with second.running() as again:
            again.ready()
            assert world.await_end(asked).status is RequestStatus.SETTLED
    assert world.ends(asked) == 1
    assert "path broke" in [event["event"] for event in events(first)]


def test_run__signer_has_no_ether__says_so_and_settles_when_it_has(
    world: EnclaveWorld, entry: LocalEnclave
) -> None:
    with entry.running() as process:
        shard_id = started(entry, process)
        signer = world.registry.shard(shard_id).keyset.signer
        world.chain.fund(signer, 0)
        asked = world.ask(shard_id)
        shortage = entry.await_event("request cannot be ended yet")
        assert shortage["level"] == "error"
        assert shortage["error"] == "EtherIsShort"
        assert f"the signer {signer} has 0 wei" in shortage["detail"]
        world.chain.fund(signer)
        assert world.await_end(asked).status is RequestStatus.SETTLED


def test_sigterm__request_runs__finishes_it_within_the_grace(
    world: EnclaveWorld, entry: LocalEnclave
) -> None:
    with entry.running({"TEETEE_STOP_GRACE_SECONDS": "120"}, slow=0.1) as process:
        shard_id = started(entry, process)
        asked = world.ask(shard_id)
        world.await_stream(entry.port, shard_id, asked)
        assert process.terminate() == 0
    assert world.escrow.request_of(asked.request_id).status is RequestStatus.SETTLED


def test_sigterm__request_runs_and_there_is_no_grace__next_start_settles(
    world: EnclaveWorld, entry: LocalEnclave
) -> None:
    with entry.running({"TEETEE_STOP_GRACE_SECONDS": "0"}, slow=0.1) as process:
        shard_id = started(entry, process)
        asked = world.ask(shard_id)
        world.await_stream(entry.port, shard_id, asked)
        assert process.terminate() == 0
    assert world.escrow.request_of(asked.request_id).status is RequestStatus.OPEN
    with entry.running() as process:
        process.ready()
        assert world.await_end(asked).status is RequestStatus.SETTLED
    assert world.ends(asked) == 1


def test_run__several_questions_at_once__share_transactions(
    world: EnclaveWorld, entry: LocalEnclave
) -> None:
    with entry.running() as process:
        shard_id = started(entry, process)
        assert process.terminate() == 0
    asked = [world.ask(shard_id) for _ in range(4)]
    with entry.running({"TEETEE_BATCH_WINDOW_SECONDS": "0.5"}) as process:
        for one in asked:
            assert world.await_end(one).status is RequestStatus.SETTLED
        process.ready()
        assert process.terminate() == 0
    transactions = {settled_in(world, one) for one in asked}
    assert len(transactions) < len(asked)


def settled_in(world: EnclaveWorld, asked: Asked) -> str:
    return world.read_answer(asked)[0].transaction_hash


@pytest.mark.parametrize(
    ("settings", "expected_text"),
    [
        pytest.param(
            {"TEETEE_MODEL_ID": "77"}, "no model 77 is published on chain 31337", id="model"
        ),
        pytest.param(
            {"TEETEE_CHAIN_ID": "8453"}, "the deployment file is for chain 31337", id="chain"
        ),
        pytest.param({"TEETEE_LAYERS": "0-9"}, "has 4 layers", id="range"),
        pytest.param({"TEETEE_DTYPE": "bfloat16"}, "in bfloat16 have the slice", id="m9 precision"),
        pytest.param({"TEETEE_LAYERS": "1-4"}, "an entry begins with layer 0", id="entry"),
        pytest.param({"TEETEE_MODEL": "/nowhere"}, "No model at /nowhere", id="files"),
        pytest.param({"TEETEE_DEPLOYMENT": "/nowhere.json"}, "names none", id="deployment"),
        pytest.param(
            {"TEETEE_HOST": "me"},
            "(TEETEE_HOST, or `teetee host run --keystore`): must be",
            id="settings",
        ),
    ],
)
def test_run__something_does_not_fit__exits_1_and_says_what(
    world: EnclaveWorld, entry: LocalEnclave, settings: dict[str, str], expected_text: str
) -> None:
    with entry.running(settings) as process:
        assert process.exit_code(EXIT_SECONDS) == 1
    (last,) = [event for event in events(entry) if event["event"] == "the process ends"]
    assert expected_text in last["detail"]


def test_run__one_byte_of_the_weights_is_flipped__exits_1_and_serves_nothing(
    world: EnclaveWorld, entry: LocalEnclave, tmp_path: Path
) -> None:
    spoilt = tmp_path / "model"
    shutil.copytree(world.folder / "model", spoilt)
    weights = spoilt / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with entry.running({"TEETEE_MODEL": str(spoilt)}) as process:
        assert process.exit_code(EXIT_SECONDS) == 1
    (last,) = [event for event in events(entry) if event["event"] == "the process ends"]
    assert last["error"] == "StartUpRefused"
    assert "Download the model's files again, or set TEETEE_DTYPE" in last["detail"]


@pytest.mark.parametrize(
    ("changes", "error", "expected_text"),
    [
        ({"token_ids_digest": b"\x07" * 32}, "TokenIdsDiffer", "published as 0x0707"),
        ({"token_ids_digest": None}, "TokenIdsDiffer", "has no token_ids_digest"),
        ({"head_digest": b"\x07" * 32}, "StartUpRefused", "is not that of model"),
    ],
    ids=["other token ids", "older manifest", "of another model"],
)
def test_run__manifest_says_otherwise__exits_1_and_serves_nothing(
    world: EnclaveWorld,
    entry: LocalEnclave,
    tmp_path: Path,
    changes: dict[str, Any],
    error: str,
    expected_text: str,
) -> None:
    manifest = tmp_path / "manifest.json"
    published = build_manifest(open_model(world.folder / "model"))
    manifest.write_text(replace(published, **changes).to_json())
    with entry.running({"TEETEE_MANIFEST": str(manifest)}) as process:
        assert process.exit_code(EXIT_SECONDS) == 1
    (last,) = [event for event in events(entry) if event["event"] == "the process ends"]
    assert last["error"] == error
    assert expected_text in last["detail"]


def test_run__port_is_in_use__exits_1_and_says_which(
    world: EnclaveWorld, entry: LocalEnclave
) -> None:
    with socket.create_server(("127.0.0.1", entry.port)), entry.running() as process:
        assert process.exit_code(EXIT_SECONDS) == 1
    (last,) = [event for event in events(entry) if event["event"] == "the process ends"]
    assert last["error"] == "PortUnavailable"
    assert str(entry.port) in last["detail"]


def test_run__data_directory_is_in_use__second_process_exits_1(
    world: EnclaveWorld, entry: LocalEnclave
) -> None:
    with entry.running() as process:
        process.ready()
        with entry.running({"TEETEE_LISTEN_PORT": "0"}) as second:
            assert second.exit_code(EXIT_SECONDS) == 1
        assert process.terminate() == 0
    (last,) = [event for event in events(entry) if event["event"] == "the process ends"]
    assert "another process uses the data directory" in last["detail"]


def test_settings__asked_for__lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == 0
    assert "TEETEE_RPC_URL" in capsys.readouterr().out


def test_m14_settings__asked_for__prints_kinds_and_the_digest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["settings"]) == 0
    shown = capsys.readouterr().out
    assert "TEETEE_RPC_URL (measured, --rpc)" in shown
    assert "TEETEE_CACHE_BYTES (host)" in shown
    measured = tmp_path / "measured.toml"
    measured.write_text("chain_id = 1\n")
    assert main(["settings", "--measured", str(measured)]) == 0
    assert hashlib.sha256(b"chain_id = 1\n").hexdigest() in capsys.readouterr().out


@pytest.mark.parametrize("named", ["registry", "escrow"])
def test_h2_run__registry_and_escrow_do_not_name_each_other__exits_1(
    world: EnclaveWorld, entry: LocalEnclave, tmp_path: Path, named: str
) -> None:
    """The host's own contract beside a real one, as in the review."""
    other = LocalChain(world.chain.url)
    fields = {name: getattr(world.chain.deployment, name) for name in Deployment.__slots__}
    fields[named] = getattr(other.deployment, named)
    file = tmp_path / "deployment.json"
    Deployment(**fields).save(file)
    with entry.running({"TEETEE_DEPLOYMENT": str(file)}) as process:
        assert process.exit_code(EXIT_SECONDS) == 1
    (last,) = [event for event in events(entry) if event["event"] == "the process ends"]
    assert last["error"] == "StartUpRefused"
    assert "registry and escrow must name each other" in last["detail"]


def test_l2_run__rpc_url_cannot_be_parsed__ends_without_a_traceback(entry: LocalEnclave) -> None:
    """The library's error would quote a piece of the URL, and so a password."""
    with entry.running(
        {"TEETEE_RPC_URL": "http://user:SECRETPORT@rpc.invalid:hunter2/"}
    ) as process:
        assert process.exit_code(EXIT_SECONDS) == 1
    text = entry.log.read_text()
    assert '"event": "the process ends"' in text
    for leak in ("SECRETPORT", "hunter2", "Traceback"):
        assert leak not in text


def test_c1_run__machine_is_rebooted__rekey_keeps_shard_and_bond(
    world: EnclaveWorld, entry: LocalEnclave
) -> None:
    with entry.running() as process:
        shard_id = started(entry, process)
        before = world.registry.shard(shard_id)
    shutil.rmtree(entry.folder / "keys")  # what a reboot does to a tmpfs
    with entry.running() as process:
        process.ready()
        entry.rekey(shard_id)
        after = world.registry.shard(shard_id)
        assert after.keyset.signer != before.keyset.signer
        assert after.keyset.kem != before.keyset.kem
        assert (after.bond, after.layers, after.is_active) == (before.bond, before.layers, True)
        asked = world.ask(shard_id)
        assert world.await_end(asked).status is RequestStatus.SETTLED
        assert process.terminate() == 0
    assert "the keys are new: enrol this enclave, or rekey its shard" in [
        event["event"] for event in events(entry)
    ]


def test_c1_run__restarted_without_a_reboot__goes_on_with_its_keys(
    world: EnclaveWorld, entry: LocalEnclave
) -> None:
    with entry.running() as process:
        shard_id = started(entry, process)
    with entry.running() as process:
        process.ready()
        assert world.await_end(world.ask(shard_id)).status is RequestStatus.SETTLED

# SPDX-License-Identifier: Apache-2.0
"""The parts of the demo, without a world.

given nothing, a question as words, or one in QUESTION
    when the options are read
        it should use the words first, then QUESTION, then the default
        it should leave no QUESTION in the environment
given a folder that an earlier world left, or one that is in use
    when it is opened
        it should be empty, or be refused
given a model of any size
    when its layers are divided
        they should tile it, the entry first
given layers as an option
    when they are not a range of the model's
        they should be refused
given a missing tool
    when the tools are checked
        it should be named, with what to do
given a world that keeps running
    when its settings are written
        a shell should find `teetee` and the variables by them
        they should be for their owner only, and loaded only while it runs
given a report
    when something is not proven or an error happened
        it should not count as proven
    when it is written
        it should be complete, and for its owner only
given a pipe
    when a phase passes or fails
        it should be printed in plain lines, with its seconds
"""

import json
import os
import socket
import stat
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from eth_account import Account

from demo.commands.host_command import parse_layers
from demo.commands.options import DEFAULT_QUESTION, read_ask_options
from demo.errors import (
    LayersInvalid,
    NoWorldRuns,
    PortInUse,
    QuestionInvalid,
    ToolMissing,
    WorldRuns,
    WorldStarts,
)
from demo.folders import Folders, wait_for_release, world_process
from demo.kept_world import KeptWorld
from demo.output.console import Console
from demo.output.report import Report
from demo.plan import three_shards
from demo.prerequisites import require_tools
from demo.processes.ports import claimed_port
from demo.wallets import Wallet
from teetee.client.keystore import open_keystore
from teetee.protocol.layers import LayerRange


@pytest.mark.parametrize(
    ("words", "variables", "question"),
    [
        pytest.param([], {}, DEFAULT_QUESTION, id="nothing"),
        pytest.param([], {"QUESTION": "Why?  'so' $HOME"}, "Why?  'so' $HOME", id="QUESTION"),
        pytest.param(["What", "now?"], {}, "What now?", id="words"),
        pytest.param(["What?"], {"QUESTION": "Why?"}, "What?", id="both"),
    ],
)
def test_options__question__is_taken_from_the_nearest_place(
    words: list[str], variables: dict[str, str], question: str
) -> None:
    options = read_ask_options(words, variables)
    assert options.question == question
    assert "QUESTION" not in variables
    assert question not in repr(options)


@pytest.mark.parametrize("blank", ["", " \n\t"])
def test_options__blank_question__is_refused(blank: str) -> None:
    with pytest.raises(QuestionInvalid, match="The question is empty"):
        read_ask_options([], {"QUESTION": blank})


def test_options__folder__names_the_report_beside_it(tmp_path: Path) -> None:
    options = read_ask_options(["--directory", str(tmp_path / "other")], {})
    assert options.report == tmp_path / "other.json"


def test_folders__files_of_an_earlier_world__are_removed(tmp_path: Path) -> None:
    (tmp_path / "journals" / "entry").mkdir(parents=True)
    (tmp_path / "journals" / "entry" / "old.sqlite").write_text("old")
    (tmp_path / "stray").symlink_to(tmp_path / "journals")
    folders = Folders.open(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "lock"]
    assert stat.S_IMODE(folders.enclaves.stat().st_mode) == 0o700
    assert len(str(folders.sockets / "a-long-name.sock")) < 108
    folders.close()
    assert not folders.sockets.exists()


def test_folders__in_use__are_refused_and_unchanged(tmp_path: Path) -> None:
    first = Folders.open(tmp_path)
    (first.logs / "chain.log").write_text("mine")
    with pytest.raises(WorldRuns, match="Another world runs in"):
        Folders.open(tmp_path)
    assert (first.logs / "chain.log").read_text() == "mine"
    first.close()
    Folders.open(tmp_path).close()


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 12, 30, 80])
def test_three_shards__any_model__tile_it_with_the_entry_first(layers: int) -> None:
    shards = three_shards(layers)
    assert len(shards) == min(3, layers)
    assert [shard.is_entry for shard in shards] == [True] + [False] * (len(shards) - 1)
    bounds = [0, *(shard.layers.end for shard in shards)]
    assert [shard.layers.first for shard in shards] == bounds[:-1]
    assert bounds[-1] == layers


def test_three_shards__smollm2__is_balanced() -> None:
    ranges = [(shard.layers.first, shard.layers.end) for shard in three_shards(30)]
    assert ranges == [(0, 8), (8, 19), (19, 30)]


@pytest.mark.parametrize("text", ["8-31", "19-8", "8-8", "8", "a-b", "8-", "-1-8"])
def test_layers__not_of_the_model__are_refused(text: str) -> None:
    with pytest.raises(LayersInvalid, match="within 0-30"):
        parse_layers(text, 30)


def test_layers__of_the_model__are_a_range() -> None:
    assert parse_layers("8-19", 30) == LayerRange(8, 19)
    assert parse_layers("0-30", 30) == LayerRange(0, 30)


def kept_world(directory: Path) -> KeptWorld:
    return KeptWorld(
        directory=str(directory),
        chain_port=8545,
        deployment=str(directory / "deployment.json"),
        collateral="http://127.0.0.1:8081",
        requester_key="0x" + "11" * 32,
        administrator_key="0x" + "22" * 32,
        host_keystore=str(directory / "host.json"),
        model="/models/tiny",
        model_id=1,
        layer_count=30,
    )


def test_kept_world__settings_sourced_twice__set_the_path_once(tmp_path: Path) -> None:
    kept = kept_world(tmp_path / "a world")
    kept.write()
    assert stat.S_IMODE(kept.shell_file.stat().st_mode) == 0o600
    read = '. "$0"; . "$0"; printf "%s\\n" "$TEETEE_RPC_URL" "$APE_FOUNDRY_HOST" "$PATH"'
    shell = ["/bin/sh", "-c", read, str(kept.shell_file)]
    printed = subprocess.run(shell, env={"PATH": "/bin"}, capture_output=True, check=True)
    url, ape_host, path = printed.stdout.decode().splitlines()
    assert url == ape_host == "http://127.0.0.1:8545"
    assert path == f"{Path(sys.executable).parent}:/bin"
    kept.remove()
    assert not kept.shell_file.exists()


def test_kept_world__loaded__only_while_it_runs(tmp_path: Path) -> None:
    directory = tmp_path / "world"
    with pytest.raises(NoWorldRuns):
        KeptWorld.load(directory)
    folders = Folders.open(directory)
    assert world_process(directory) == os.getpid()
    with pytest.raises(WorldStarts):
        KeptWorld.load(directory)
    kept_world(directory).write()
    assert KeptWorld.load(directory) == kept_world(directory)
    assert not wait_for_release(directory, 0.05)
    folders.close()
    assert wait_for_release(directory, 10)
    with pytest.raises(NoWorldRuns):
        KeptWorld.load(directory)


def test_wallet__keystore__opens_with_the_passphrase(tmp_path: Path) -> None:
    wallet = Wallet("host", Account.create())
    wallet.write_keystore(tmp_path / "host.json", "world")
    assert open_keystore(tmp_path / "host.json", "world").address == wallet.address


def test_ports__in_use__are_refused() -> None:
    free = claimed_port(None)
    assert claimed_port(free) == free
    with socket.create_server(("127.0.0.1", free)), pytest.raises(PortInUse) as refused:
        claimed_port(free)
    assert refused.value.port == free


def test_tools__installed__pass() -> None:
    require_tools()


@pytest.mark.parametrize("missing", ["node_modules", ".venv-ape/bin/ape", "build/solcx", "teetee"])
def test_tools__one_is_missing__is_named(tmp_path: Path, missing: str) -> None:
    for name in ("node_modules", ".venv-ape/bin/ape", "build/solcx", "teetee"):
        if name != missing:
            (tmp_path / name).mkdir(parents=True)
    with pytest.raises(ToolMissing, match="Run `make setup`") as refused:
        require_tools(tmp_path, tmp_path / "teetee")
    assert str(tmp_path / missing) in str(refused.value)


def test_tools__no_node__says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match="Install Node 20 or later"):
        require_tools()


PROOFS = {"answerEqualsUnsplit": True, "sumsUp": True, "verified": True}


@pytest.mark.parametrize("missing", PROOFS)
def test_report__one_thing_is_not_proven__is_not_proven(missing: str) -> None:
    others = {name: value for name, value in PROOFS.items() if name != missing}
    assert not Report("Why?", others).proven
    assert not Report("Why?", {**others, missing: False}).proven
    assert Report("Why?", {**others, missing: True}).proven


def test_report__error_after_all_proofs__is_not_proven() -> None:
    report = Report("Why?", dict(PROOFS), {"name": "ChainRefused", "message": "…"})
    assert not report.proven


def test_report__written__is_complete_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "build" / "demo.json"
    report = Report("Warum – und wo?")
    report.write(path, {"chain": 0.1})
    report.add(PROOFS)
    report.write(path, {"chain": 0.1})
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["question"] == "Warum – und wo?"
    assert written["seconds"] == {"chain": 0.1}
    assert written["verified"] is True
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_console__pipe__gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = StringIO()
    monkeypatch.setattr("sys.stdout", pipe)
    console = Console()
    with console.phase("chain", "the chain"):
        console.piece("a piece")
    with pytest.raises(ValueError, match="broken"), console.phase("model", "the model"):
        raise ValueError("broken")
    lines = pipe.getvalue().splitlines()
    assert lines[:2] == ["… the chain", "a piece"]
    assert lines[2].startswith("✓ the chain  0.")
    assert lines[4].startswith("✗ the model  0.")
    assert set(console.seconds) == {"chain", "model"}
    assert "\x1b" not in pipe.getvalue()


def test_console__control_characters__do_not_reach_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe = StringIO()
    monkeypatch.setattr("sys.stdout", pipe)
    console = Console()
    console.piece("evil\x1b[2J")
    console.say("more\x1b]0;title\x07")
    console.table(("a",), [("cell\x1b[31m",)])
    assert "\x1b" not in pipe.getvalue()

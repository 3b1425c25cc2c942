# SPDX-License-Identifier: Apache-2.0
"""What a person sees on a terminal of 80 columns, word for word.

given a chain with shards and a request
    when a wallet looks at its balance, at shards, at a request, at its host
        it should print no line of more than 80 columns
        it should print each address, hash and endpoint whole, on one line
given any command
    when its help is asked for
        it should print each example on one line
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from teetee.cli.app import COMMANDS
from teetee.client.amounts import round_amount
from tests.teetee.chain.local_chain import TEE
from tests.teetee.cli.terminal import at_lab, on_terminal, teetee
from tests.teetee.client.lab import AtWork, Lab

pytestmark = pytest.mark.timeout(120)


def lines_of(text: str) -> list[str]:
    """Every line, after a look at its width."""
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def answered_request(lab: Lab, folder: Path) -> int:
    env = at_lab(lab, folder, lab.world.account("requester", tokens=TEE))
    options = ("--deadline", "60", "--max-tokens", "20", "--no-verify", "--no-stream", "--json")
    with AtWork(lab, lambda opened: lab.settle(opened, lab.enclaves[:3])):
        return int(teetee("ask", "Why?", *options, env=env).json["requestId"])


def test_balance__eighty_columns__is_a_record_below_the_whole_address(
    lab: Lab, tmp_path: Path
) -> None:
    wallet = lab.world.account("requester", tokens=TEE * 5 // 2 + 1)
    lab.chain.fund(wallet.address, 10**18 - 1)
    assert lines_of(on_terminal("wallet", "balance", env=at_lab(lab, tmp_path, wallet)).out) == [
        f"Wallet {wallet.address}",
        "  ETH, for gas    0.9999 ETH",
        "  TEE             2.5 TEE",
        "  TEE, as credit  0 TEE",
    ]


def test_shards__eighty_columns__is_a_block_per_shard(lab: Lab, tmp_path: Path) -> None:
    result = on_terminal("shards", "--probe", env=at_lab(lab, tmp_path))
    lines = [re.sub(r"expires in .*|\d+ ms", "…", line) for line in lines_of(result.out)]
    entry = lab.enclaves[0]
    assert lines[:7] == [
        "Model 1: test-model, 6 layers",
        "0.001 TEE per input token, 0.002 TEE per output token",
        "shard 1  layers 0-2  entry  ✓ registered  …",
        f"  host      {entry.host.address}",
        f"  endpoint  {entry.endpoint}",
        "  TCB       UpToDate",
        "  probe     ✓ up, …",
    ]
    assert lines[-4:] == [
        "✓ shards that answer form a whole path",
        "wanted: layers 0-2: one shard, no replica",
        "wanted: layers 2-4: one shard, no replica",
        "wanted: layers 4-6: one shard, no replica",
    ]


def test_verify__eighty_columns__begins_with_the_verdict(lab: Lab, tmp_path: Path) -> None:
    request = str(answered_request(lab, tmp_path))
    env = at_lab(lab, tmp_path)
    report = teetee("verify", request, "--json", env=env).json
    result = on_terminal("verify", request, env=env)
    assert lines_of(result.out) == [
        f"✓ request {request} is verified: 51 checks passed, 3 attested stages",
        "✓ enclaves: 28 of 28 checks passed",
        "✓ path and receipts: 9 of 9 checks passed",
        "✓ answer: 4 of 4 checks passed",
        "✓ money: 7 of 7 checks passed",
        "✓ request: 3 of 3 checks passed",
        f"Payments from a deposit of {round_amount(int(report['deposit']))}",
        "  to             amount      account",
        *(
            f"  shard {number} ({layers})  {amount:10}  {lab.enclaves[number - 1].host.address}"
            for number, layers, amount in (
                (1, "0-2", "0.0138 TEE"),
                (2, "2-4", "0.0069 TEE"),
                (3, "4-6", "0.0069 TEE"),
            )
        ),
        "  fee            0.0015 TEE",
        "  royalty        0.0009 TEE",
        f"  refund         {round_amount(int(report['refund']))}",
    ]
    assert result.err == f"`teetee verify {request} --all` shows every check.\n"


def test_verify_all__eighty_columns__shows_each_check_and_each_hash_whole(
    lab: Lab, tmp_path: Path
) -> None:
    request = str(answered_request(lab, tmp_path))
    env = at_lab(lab, tmp_path)
    report = teetee("verify", request, "--json", env=env).json
    text = on_terminal("verify", request, "--all", env=env).out
    words = {word.strip(",.:;") for line in lines_of(text) for word in line.split()}
    for check in report["checks"]:
        assert f"✓ {check['name']}:" in text
        assert {word.strip(",.:;") for word in check["detail"].split()} <= words
    for stage in report["path"]:
        assert {stage["signer"], stage["quoteHash"], stage["host"]} <= words


def test_host_status__eighty_columns__shows_every_address_whole(lab: Lab, tmp_path: Path) -> None:
    entry = lab.enclaves[0]
    lab.chain.fund(entry.keys.keyset.signer, 10**14)
    result = on_terminal("host", "status", env=at_lab(lab, tmp_path, entry.host))
    lines = [re.sub(r"expires in .*", "…", line) for line in lines_of(result.out)]
    assert lines == [
        f"Host {entry.host.address}",
        "  credit     0 TEE earned or refunded, paid out by `teetee host withdraw`",
        f"  payout to  {entry.host.address}",
        "  served     0 tokens × layers; free use grows with it",
        "shard 1  model 1  layers 0-2  ✓ registered  …",
        "  bond        100 TEE",
        "  free today  33333 of 33333 tokens",
        "  gas         0.0001 ETH",
        f"  signer      {entry.keys.keyset.signer}",
    ]
    assert f"`teetee wallet send {entry.keys.keyset.signer} 0.01 --eth`" in result.err


def test_in_a_pipe__any_row__is_one_line(lab: Lab, tmp_path: Path) -> None:
    entry = lab.enclaves[0]
    out = teetee("shards", env=at_lab(lab, tmp_path)).out
    [line] = [line for line in out.splitlines() if entry.endpoint in line]
    assert str(entry.host.address) in line
    assert line.endswith("UpToDate")


def test_help__any_command__has_an_example_and_breaks_none() -> None:
    for name, lazy in COMMANDS.items():
        command = lazy.load(name)
        for path, each in [((), command), *_subcommands(command)]:
            shown = on_terminal(name, *path, "--help").out
            examples = re.findall(r"^\$ .*$", each.epilog or "", re.MULTILINE)
            assert examples, (name, *path)
            assert all(f" {example}" in shown for example in examples), examples


def _subcommands(
    command: typer.core.TyperGroup,
) -> list[tuple[tuple[str, ...], typer.core.TyperCommand]]:
    return [((name,), each) for name, each in getattr(command, "commands", {}).items()]

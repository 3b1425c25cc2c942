# SPDX-License-Identifier: Apache-2.0
"""`wallet`, `history` and the list of `resume`, as a shell sees them, on a real chain.

given a wallet on a local test chain
    when it goes to the faucet
        it should get TEE, and ETH if it is low
    when it sends
        it should move TEE, or ETH with --eth, and refuse what is no address
    when it looks and withdraws
        it should say what it has
given a key in the environment
    when a wallet is created
        it should warn that the key comes first
given requests of a wallet
    when it lists them
        it should show time, status and cost, and the command that continues an unread one
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teetee.chain.types.requests import DeclineReason
from tests.teetee.chain.local_chain import TEE
from tests.teetee.cli.terminal import at_lab, teetee
from tests.teetee.client.lab import AtWork, Lab

pytestmark = pytest.mark.timeout(120)

QUICK = ("--deadline", "60", "--max-tokens", "20", "--no-verify", "--no-stream", "--json")
NO_ADDRESS = "0x86e52f39d0a6c8e7b6befc811369915967a12C55"


def test_wallet__claims_and_looks__has_what_it_claimed(lab: Lab, tmp_path: Path) -> None:
    wallet = lab.world.account("requester")
    env = at_lab(lab, tmp_path, wallet)
    claimed = teetee("wallet", "faucet", "--json", env=env)
    balance = teetee("wallet", "balance", "--json", env=env).json
    assert claimed.json["tokens"] == balance["tokens"] != "0"
    assert balance["credit"] == "0"
    repeated = teetee("wallet", "faucet", "--json", env=env)
    assert repeated.json["error"]["name"] == "FaucetTooSoon"
    nothing = teetee("wallet", "withdraw", "--json", env=env)
    assert nothing.json["error"]["name"] == "NothingToWithdraw"


def test_faucet__no_ether_on_anvil__gives_ether_too(lab: Lab, tmp_path: Path) -> None:
    wallet = lab.world.account("requester")
    lab.chain.fund(wallet.address, 0)
    result = teetee("wallet", "faucet", env=at_lab(lab, tmp_path, wallet))
    assert result.status == 0
    assert f"the balance of {wallet.address} was set to 10 ETH" in result.err
    assert lab.chain.web3.eth.get_balance(wallet.address) > 9 * 10**18


def test_faucet__enough_ether__leaves_it(lab: Lab, tmp_path: Path) -> None:
    wallet = lab.world.account("requester")
    lab.chain.fund(wallet.address, 2 * 10**18)
    result = teetee("wallet", "faucet", "--json", env=at_lab(lab, tmp_path, wallet))
    assert result.json["ether"] is None
    assert lab.chain.web3.eth.get_balance(wallet.address) < 2 * 10**18


@pytest.mark.parametrize("unit", ["TEE", "ETH"])
def test_send__to_an_address__moves_the_amount(lab: Lab, tmp_path: Path, unit: str) -> None:
    sender, receiver = lab.world.account("sender", tokens=TEE), lab.world.account("receiver")
    balances = {
        "TEE": lambda: lab.world.token.balance_of(str(receiver.address)),
        "ETH": lambda: lab.chain.web3.eth.get_balance(receiver.address),
    }
    before = {name: read() for name, read in balances.items()}
    options = ("--eth",) if unit == "ETH" else ()
    arguments = ("wallet", "send", str(receiver.address).lower(), "0.25", *options, "--json")
    result = teetee(*arguments, env=at_lab(lab, tmp_path, sender))
    assert (result.status, result.json["amount"], result.json["unit"]) == (0, str(TEE // 4), unit)
    assert result.json["to"] == receiver.address
    gained = {name: read() - before[name] for name, read in balances.items()}
    assert gained == {"TEE": 0, "ETH": 0} | {unit: TEE // 4}


@pytest.mark.parametrize("address", ["0x12", "vitalik.eth", NO_ADDRESS])
def test_send__no_address__is_a_usage_error(lab: Lab, tmp_path: Path, address: str) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("sender", tokens=TEE))
    result = teetee("wallet", "send", address, "1", env=env)
    assert result.status == 2
    assert "is not an address" in re.sub(r"[\s│]+", " ", result.err)


def test_send__more_than_it_has__sends_nothing(lab: Lab, tmp_path: Path) -> None:
    sender, receiver = lab.world.account("sender", tokens=TEE), lab.world.account("receiver")
    arguments = ("wallet", "send", str(receiver.address), "2", "--json")
    result = teetee(*arguments, env=at_lab(lab, tmp_path, sender))
    assert (result.status, result.json["error"]["name"]) == (1, "TransferAboveBalance")
    assert "has 1 TEE, and 2 TEE were to be sent" in result.err


def test_send__more_ether_than_it_has__names_both_amounts(lab: Lab, tmp_path: Path) -> None:
    sender, receiver = lab.world.account("sender"), lab.world.account("receiver")
    lab.chain.fund(sender.address, 2 * 10**18)
    arguments = ("wallet", "send", str(receiver.address), "1000", "--eth", "--json")
    result = teetee(*arguments, env=at_lab(lab, tmp_path, sender))
    assert (result.status, result.json["error"]["name"]) == (1, "InsufficientFunds")
    assert "has 2.000000 ETH, and the transaction needs up to 1000.000000 ETH" in result.err


def test_send__nothing__is_a_usage_error(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("sender", tokens=TEE))
    result = teetee("wallet", "send", str(lab.world.account("receiver").address), "0.0", env=env)
    assert result.status == 2
    assert "an amount of 0 moves nothing" in re.sub(r"[\s│]+", " ", result.err)


def test_create__passphrase_in_the_environment__says_which_was_used(tmp_path: Path) -> None:
    result = teetee(
        "wallet", "create", env={"XDG_CONFIG_HOME": str(tmp_path), "TEETEE_PASSPHRASE": "p"}
    )
    assert result.status == 0
    assert "passphrase of this wallet is the value of TEETEE_PASSPHRASE" in result.err


@pytest.mark.parametrize("key", ["0x" + "42" * 32, ""])
def test_create__key_in_the_environment__warns_that_it_comes_first(
    tmp_path: Path, key: str
) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path), "TEETEE_PASSPHRASE": "p", "TEETEE_PRIVATE_KEY": key}
    result = teetee("wallet", "create", env=env)
    assert result.status == 0
    assert ("`unset TEETEE_PRIVATE_KEY`" in result.err) == bool(key)


def test_history__answered_and_declined__shows_what_each_cost(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with AtWork(lab, lambda opened: lab.settle(opened, lab.enclaves[:3])):
        answered = teetee("ask", "Why?", *QUICK, env=env).json
    with AtWork(lab, lambda opened: lab.decline(opened, lab.enclaves[0], DeclineReason.STOPPING)):
        declined = teetee("ask", "Why?", *QUICK, env=env).json
    first, second = teetee("history", "--json", env=env).json
    assert (first["requestId"], first["status"]) == (answered["requestId"], "SETTLED")
    assert (first["cost"], first["deposit"]) == (answered["cost"], answered["deposit"])
    assert (first["inputTokens"], first["outputTokens"]) == (20, 5)
    assert (second["requestId"], second["status"]) == (declined["requestId"], "DECLINED")
    assert second["cost"] == "0"
    assert [each["requestId"] for each in teetee("history", "--last", "1", "--json", env=env).json]
    shown = teetee("history", env=env).out
    assert "✓ answered  0.03 TEE  20 + 5" in shown
    assert "✗ declined" in shown


def test_history__no_request__says_so(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester"))
    result = teetee("history", env=env)
    assert (result.status, result.out) == (0, "")
    assert "has sent no request" in result.err

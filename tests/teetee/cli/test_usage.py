# SPDX-License-Identifier: Apache-2.0
"""What needs no chain: usage errors, help, keys, how errors end the process.

given any command
    when it cannot be understood
        it should exit 2, saying why on stderr
    when an error of ours ends it
        it should exit 1 or 75, with one sentence on stderr, no traceback, and an object with --json
given no wallet, no network, no question
    when it asks
        it should say what to do first
given wallet create and show
    when they succeed
        it should print the address alone to stdout, and keep the key out of everything
given NO_COLOR, or no terminal
    when anything is printed
        it should print no escape sequence
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from eth_account import Account

from tests.teetee.cli.terminal import teetee

KEY = "0x" + "42" * 32
ADDRESS = str(Account.from_key(KEY).address)
NEED_NO_CHAIN = [
    ("quote", "check"),
    ("image", "measure"),
    ("wallet", "create"),
    ("wallet", "show"),
]
NEED_A_CHAIN = [
    ("quote", "show"),
    ("collateral", "show"),
    ("collateral", "sync"),
    ("ask",),
    ("resume",),
    ("history",),
    ("verify",),
    ("models",),
    ("shards",),
    *(("wallet", name) for name in ("faucet", "balance", "send", "withdraw")),
    *(
        ("host", name)
        for name in (
            *("keys", "enrol", "renew", "rekey", "retire", "evict", "recheck"),
            *("top-up", "status", "withdraw", "run"),
        )
    ),
]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}


@pytest.mark.parametrize("command", [*NEED_A_CHAIN, *NEED_NO_CHAIN], ids=" ".join)
def test_help__every_command__has_json_and_a_connection_where_it_needs_one(
    command: tuple[str, ...],
) -> None:
    result = teetee(*command, "--help", env={"COLUMNS": "200"})
    assert result.status == 0
    assert "--json" in result.out
    for option in ("--network", "--deployment", "--rpc"):
        assert (option in result.out) == (command in NEED_A_CHAIN)


def test_help__ask__teaches_with_examples() -> None:
    result = teetee("ask", "--help", env={"COLUMNS": "200"})
    assert '$ teetee ask "Why is the sky blue?"' in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("ask",),
        ("ask", "Why?", "--recipients", "5"),
        ("ask", "Why?", "--recipients", "0"),
        ("ask", "Why?", "--max-tokens", "0"),
        ("ask", "Why?", "--max-tokens", "65536"),
        ("ask", "Why?", "--temperature", "-1"),
        ("ask", "Why?", "--private-key", KEY),
        ("verify", "zero"),
        ("verify", "0"),
        ("host", "renew"),
    ],
    ids=" ".join,
)
def test_usage__not_understood__exits_2(arguments: tuple[str, ...]) -> None:
    result = teetee(*arguments)
    assert result.status == 2
    assert result.out == ""
    assert result.err != ""


@pytest.mark.parametrize(
    ("arguments", "env", "name", "advice"),
    [
        (("ask", " "), {}, "InvalidQuestion", "pipe it in"),
        (("ask", "Why?"), {}, "NoKey", "teetee wallet create"),
        (("ask", "Why?", "--top-p", "0"), {}, "PromptInvalid", "Correct it"),
        (("ask", "Why?", "--max-price", "much"), {}, "MalformedAmount", "1.5"),
        (("wallet", "show"), {"TEETEE_PRIVATE_KEY": "abc"}, "MalformedKey", "32 bytes"),
        (
            ("verify", "1", "--network", "base-nowhere"),
            {},
            "NetworkUnknown",
            "base-local, base-mainnet, base-sepolia",
        ),
        (("shards", "--network", "base-sepolia"), {}, "NotDeployed", "ape run deploy"),
        (("host", "top-up", "1", "x"), {"TEETEE_PRIVATE_KEY": KEY}, "MalformedAmount", "1.5"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_error__of_ours__exits_1_with_one_sentence(
    home: dict[str, str], arguments: tuple[str, ...], env: dict[str, str], name: str, advice: str
) -> None:
    result = teetee(*arguments, "--json", env=home | env)
    assert result.status == 1
    assert result.json["error"]["name"] == name
    assert result.json["error"]["retryable"] is False
    assert advice in result.json["error"]["message"]
    assert result.err == f"error: {result.json['error']['message']}\n"
    assert "Traceback" not in result.err


def _deployment_file(folder: Path) -> Path:
    deployment = {
        "network": "base-local",
        "chainId": 31337,
        "deployedAtBlock": 0,
        "rootCaFingerprint": "0x" + "00" * 32,
        "contracts": dict.fromkeys(
            ("token", "registry", "escrow", "verifier", "certificates", "accessManager"), ADDRESS
        ),
    }
    path = folder / "deployment.json"
    path.write_text(json.dumps(deployment))
    return path


def test_error__node_away__exits_75(home: dict[str, str], tmp_path: Path) -> None:
    path = _deployment_file(tmp_path)
    result = teetee(
        *("shards", "--json", "--deployment", str(path), "--rpc", "http://127.0.0.1:9/secret"),
        env=home,
    )
    assert result.status == 75
    assert result.json["error"]["name"] == "RpcUnavailable"
    assert result.json["error"]["retryable"] is True
    assert "secret" not in result.out + result.err


def test_wallet_create__then_show__prints_the_address_alone(home: dict[str, str]) -> None:
    env = home | {"TEETEE_PASSPHRASE": "a passphrase"}
    created = teetee("wallet", "create", env=env)
    shown = teetee("wallet", "show", env=home)
    assert created.status == shown.status == 0
    assert created.out == shown.out
    assert created.out.startswith("0x")
    assert "a passphrase" not in created.out + created.err
    repeated = teetee("wallet", "create", "--json", env=env)
    assert repeated.json["error"]["name"] == "KeystoreExists"


def test_wallet_create__named_keystore__says_where(home: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    result = teetee(
        *("wallet", "create", "--keystore", str(path), "--json"),
        env=home | {"TEETEE_PASSPHRASE": "a passphrase"},
    )
    assert result.json["keystore"] == str(path)
    assert result.json["address"].lower()[2:] == json.loads(path.read_text())["address"].lower()


def test_wallet_create__no_terminal__says_what_to_set(home: dict[str, str]) -> None:
    result = teetee("wallet", "create", "--json", env=home)
    assert result.status == 1
    assert result.json["error"]["name"] == "NoPassphrase"


def test_wallet_show__key_in_environment__never_shows_it(home: dict[str, str]) -> None:
    result = teetee("wallet", "show", "--json", env=home | {"TEETEE_PRIVATE_KEY": KEY})
    assert result.json == {"address": ADDRESS, "source": "TEETEE_PRIVATE_KEY"}
    assert "42" * 32 not in result.out + result.err


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}], ids=["no terminal", "NO_COLOR"])
def test_output__no_colour_wanted__has_no_escape_sequence(
    home: dict[str, str], env: dict[str, str]
) -> None:
    for arguments in (("wallet", "show"), ("--help",), ("ask", " "), ("nonsense",)):
        result = teetee(*arguments, env=home | env)
        assert "\x1b" not in result.out + result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask", "x", "--deadline", "5m"), "'5m' is not a whole number."),
        (("ask", "x", "--max-tokens", "many"), "'many' is not a whole number from 1 to 65535."),
        (("ask", "x", "--max-tokens", "0"), "'0' is not a whole number from 1 to 65535."),
        (("ask", "x", "--temperature", "hot"), "'hot' is not a number from 0 to 2."),
        (("history", "--last", "0"), "'0' is not a whole number from 1 up."),
        (("host", "run", "--port", "https"), "'https' is not a whole number from 0 to 65535."),
        (("ask", "What", "is", "an", "enclave"), "(is an enclave). Put a text with spaces in"),
        (("wallet", "send", ADDRESS, "-1"), "No such option: -1. A number cannot be negative"),
        (("ask", "x", "--seed", "9" * 30), "is not a whole number from 0 to"),
        (("quote", "check", "x", "--at", "soon"), "'soon' is not a time. Write Unix seconds"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_usage__value_of_another_kind__is_quoted_with_what_is_wanted(
    arguments: tuple[str, ...], words: str
) -> None:
    result = teetee(*arguments)
    assert result.status == 2
    assert words in re.sub(r"[\s│]+", " ", result.err)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("localhost:8545", "'localhost:8545' is not the URL of an Ethereum node. Write http://"),
        ("ftp://node.example/key", "'ftp://node.example' is not the URL"),
    ],
)
def test_rpc__no_web_address__says_how_to_write_it(
    home: dict[str, str], tmp_path: Path, url: str, remedy: str
) -> None:
    result = teetee(
        "shards", "--deployment", str(_deployment_file(tmp_path)), "--rpc", url, env=home
    )
    assert result.status == 1
    assert remedy in result.err
    assert "/key" not in result.err


def test_verify__no_number__says_what_is_wanted() -> None:
    result = teetee("verify", "abc")
    assert result.status == 2
    assert "'abc' is not a number from 1 up, such as 17." in result.err


def test_host_run__options_are_missing__names_each_before_anything_starts(
    home: dict[str, str],
) -> None:
    result = teetee("host", "run", "--model", "m.gguf", env=home)
    assert result.status == 2
    assert "--model-id, --layers missing" in result.err


@pytest.mark.parametrize(
    "arguments",
    [("--network", "base-nowhere", "shards"), ("shards", "--network", "base-nowhere")],
    ids=["before the command", "after the command"],
)
def test_network__named__replaces_the_environments_file(
    home: dict[str, str], arguments: tuple[str, ...]
) -> None:
    env = home | {"TEETEE_DEPLOYMENT": "elsewhere.json", "TEETEE_NETWORK": "base-sepolia"}
    error = teetee(*arguments, "--json", env=env).json["error"]
    assert error["name"] == "NetworkUnknown"
    assert "base-nowhere" in error["message"]

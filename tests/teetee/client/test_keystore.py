# SPDX-License-Identifier: Apache-2.0
"""Where the wallet's key comes from.

given a keystore made by `create_keystore`
    when it is opened with its passphrase
        it should give the same account, from a file for its owner alone
    when it is opened with another passphrase, or is no keystore
        it should say so, without repeating a secret
    when it is created again
        it should be left as it is
given keystore, environment and default
    when several are there
        it should take the named keystore, then the environment's key, then the default
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest
from eth_account import Account

from teetee.client.keystore import (
    create_keystore,
    default_keystore,
    find_address,
    load_account,
    open_keystore,
)
from teetee.client.wallet_file_errors import (
    KeystoreExists,
    KeystoreUnreadable,
    MalformedKey,
    NoKey,
    WrongPassphrase,
)

KEY = "0x" + "42" * 32
KEY_ADDRESS = str(Account.from_key(KEY).address)


@pytest.fixture
def light_keystore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A keystore of KEY with few rounds: decrypting the real ones takes a second."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "light.json"
    path.write_text(
        json.dumps(Account.encrypt(bytes.fromhex(KEY[2:]), "right", kdf="pbkdf2", iterations=2))
    )
    return path


def no_terminal(path: str) -> NoReturn:
    raise AssertionError(f"asked for the passphrase of {path}")


def test_create_keystore__fresh__opens_again_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "keystore.json"
    created = create_keystore(path, "passphrase")
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_keystore(path, "passphrase").address == created.address
    assert find_address(path, {}, no_terminal) == (created.address, str(path))
    assert created.key.hex() not in path.read_text()
    assert [entry.name for entry in path.parent.iterdir()] == ["keystore.json"]


def test_create_keystore__exists__is_left_as_it_is(light_keystore: Path) -> None:
    before = light_keystore.read_bytes()
    with pytest.raises(KeystoreExists):
        create_keystore(light_keystore, "passphrase")
    assert light_keystore.read_bytes() == before


def test_open_keystore__wrong_passphrase__says_so(light_keystore: Path) -> None:
    with pytest.raises(WrongPassphrase) as wrong:
        open_keystore(light_keystore, "wrong-secret")
    assert "wrong-secret" not in str(wrong.value)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 3}', '{"version": 3, "crypto": 5}', "\0"]
)
def test_open_keystore__no_keystore__says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(KeystoreUnreadable):
        open_keystore(path, "right")


def test_open_keystore__missing_file__says_so(tmp_path: Path) -> None:
    with pytest.raises(KeystoreUnreadable, match="No such file"):
        open_keystore(tmp_path / "none.json", "right")


def test_load_account__keystore_and_environment__keystore_wins(light_keystore: Path) -> None:
    environment = {"TEETEE_PRIVATE_KEY": "0x" + "11" * 32, "TEETEE_PASSPHRASE": "right"}
    assert load_account(light_keystore, environment, no_terminal).address == KEY_ADDRESS


def test_load_account__no_passphrase_in_environment__asks_for_it(light_keystore: Path) -> None:
    asked: list[str] = []

    def ask(path: str) -> str:
        asked.append(path)
        return "right"

    assert load_account(light_keystore, {}, ask).address == KEY_ADDRESS
    assert asked == [str(light_keystore)]


@pytest.mark.parametrize("key", [KEY, KEY[2:], f" {KEY}\n"], ids=["0x", "plain", "with blanks"])
def test_load_account__key_in_environment__is_taken(light_keystore: Path, key: str) -> None:
    assert load_account(None, {"TEETEE_PRIVATE_KEY": key}, no_terminal).address == KEY_ADDRESS


@pytest.mark.parametrize("key", ["0x1234", "not hex" * 8, "00" * 32, "ff" * 32])
def test_load_account__malformed_key__does_not_repeat_it(light_keystore: Path, key: str) -> None:
    with pytest.raises(MalformedKey) as malformed:
        load_account(None, {"TEETEE_PRIVATE_KEY": key}, no_terminal)
    assert key not in str(malformed.value)
    assert malformed.value.__cause__ is None


def test_load_account__default_keystore_only__is_taken(light_keystore: Path) -> None:
    default = default_keystore()
    default.parent.mkdir(parents=True)
    default.write_bytes(light_keystore.read_bytes())
    account = load_account(None, {"TEETEE_PASSPHRASE": "right"}, no_terminal)
    assert account.address == KEY_ADDRESS


def test_load_account__nothing__says_how_to_begin(light_keystore: Path) -> None:
    with pytest.raises(NoKey, match="teetee wallet create"):
        load_account(None, {}, no_terminal)

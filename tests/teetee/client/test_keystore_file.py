# SPDX-License-Identifier: Apache-2.0
"""Keystores as wallets write them, and as they are damaged. eth_account is the reference.

given a keystore of another wallet: other spellings, other key derivation, no address
    when it is opened
        it should be eth_account's key
given a keystore with a field that is missing, doubled, unsound or unknown
    when it is opened
        it should be refused by the field's name and value, before a key is derived
given a keystore whose address is another key's
    when it is opened, or shown with its passphrase
        it should be refused, and both addresses named
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from eth_account import Account
from eth_keyfile.keyfile import encrypt_aes_ctr
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from typer.testing import CliRunner

from teetee.cli.app import application
from teetee.client.keystore import find_address, open_keystore
from teetee.client.wallet_file_errors import (
    KeystoreOfAnotherAddress,
    KeystoreUnreadable,
    WrongPassphrase,
)

KEY = "42" * 32
ADDRESS = str(Account.from_key(KEY).address)
OTHER = str(Account.from_key("43" * 32).address)
Change = Callable[[dict[str, Any]], object]

SCRYPT: dict[str, Any] = json.loads(
    json.dumps(Account.encrypt(KEY, "right", kdf="scrypt", iterations=4))
)
PBKDF2: dict[str, Any] = json.loads(
    json.dumps(Account.encrypt(KEY, "right", kdf="pbkdf2", iterations=2))
)


def changed(change: Change, original: dict[str, Any] = SCRYPT) -> dict[str, Any]:
    content = copy.deepcopy(original)
    change(content)
    return content


def put(path: str, value: object) -> Change:
    """Sets a field; `crypto.kdfparams.n` is nested."""

    def change(content: dict[str, Any]) -> None:
        *parents, name = path.split(".")
        for parent in parents:
            content = content[parent]
        content[name] = value

    return change


def drop(path: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        *parents, name = path.split(".")
        for parent in parents:
            content = content[parent]
        del content[name]

    return change


def write(folder: Path, content: object, prefix: bytes = b"") -> Path:
    path = folder / "keystore.json"
    path.write_bytes(prefix + json.dumps(content).encode())
    return path


def no_question(path: str) -> NoReturn:
    raise AssertionError(f"asked for the passphrase of {path}")


def capitals(content: dict[str, Any]) -> None:
    content["Crypto"] = {key.upper(): value for key, value in content.pop("crypto").items()}


def with_0x(content: dict[str, Any]) -> None:
    crypto = content["crypto"]
    for parent, name in (
        (crypto, "ciphertext"),
        (crypto, "mac"),
        (crypto["cipherparams"], "iv"),
        (crypto["kdfparams"], "salt"),
    ):
        parent[name] = "0x" + parent[name].upper()


OPENED: dict[str, dict[str, Any]] = {
    "scrypt": SCRYPT,
    "pbkdf2": PBKDF2,
    "no address": changed(drop("address")),
    "null as address": changed(put("address", None)),
    "empty address": changed(put("address", "")),
    "address with 0x": changed(put("address", ADDRESS)),
    "address in capitals": changed(put("address", "0X" + ADDRESS[2:].upper())),
    "address in small letters": changed(put("address", ADDRESS[2:].lower())),
    "Crypto in capitals, as Parity and MyEtherWallet": changed(capitals),
    "hexadecimal with 0x in capitals": changed(with_0x),
    "no id": changed(drop("id")),
    "x-ethers beside it": changed(put("x-ethers", {"client": "ethers.js", "gethFilename": "UTC"})),
    "a name beside it": changed(put("name", "savings")),
}


@pytest.mark.parametrize("name", OPENED)
@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_open_keystore__of_another_wallet__is_eth_accounts_key(
    tmp_path: Path, name: str, prefix: bytes
) -> None:
    content = OPENED[name]
    account = open_keystore(write(tmp_path, content, prefix), "right")
    assert account.key == Account.decrypt(content, "right")
    assert account.address == ADDRESS


def test_open_keystore__derived_key_longer_than_32_bytes__is_eth_accounts_key(
    tmp_path: Path,
) -> None:
    # Of scrypt and PBKDF2, the first 32 bytes do not depend on the length.
    content = changed(put("crypto.kdfparams.dklen", 64))
    assert open_keystore(write(tmp_path, content), "right").key == Account.decrypt(content, "right")


REFUSED: dict[str, tuple[Change, str]] = {
    "iv too short": (put("crypto.cipherparams.iv", "00" * 8), "its iv has 8 bytes instead of 16"),
    "iv too long": (put("crypto.cipherparams.iv", "00" * 17), "its iv has 17 bytes instead of 16"),
    "iv empty": (put("crypto.cipherparams.iv", ""), "its iv has 0 bytes instead of 16"),
    "iv null": (put("crypto.cipherparams.iv", None), "its iv is not bytes in hexadecimal"),
    "iv of odd length": (put("crypto.cipherparams.iv", "0" * 31), "its iv is not bytes"),
    "no iv": (drop("crypto.cipherparams.iv"), "cipherparams has no iv"),
    "cipherparams a list": (put("crypto.cipherparams", []), "cipherparams is a list"),
    "unknown cipher": (
        put("crypto.cipher", "aes-256-gcm"),
        "its cipher is the text 'aes-256-gcm'; known: aes-128-ctr",
    ),
    "cipher in capitals": (put("crypto.cipher", "AES-128-CTR"), "its cipher is the text"),
    "no cipher": (drop("crypto.cipher"), "crypto has no cipher"),
    "unknown kdf": (put("crypto.kdf", "argon2id"), "its kdf is the text 'argon2id'; known: scrypt"),
    "kdf null": (put("crypto.kdf", None), "its kdf is null; known: scrypt, pbkdf2"),
    "p of 0": (put("crypto.kdfparams.p", 0), "its p is 0 instead of 1 to"),
    "p negative": (put("crypto.kdfparams.p", -1), "its p is -1 instead of 1 to"),
    "r of 0": (put("crypto.kdfparams.r", 0), "its r is 0 instead of 1 to"),
    "n of 0": (put("crypto.kdfparams.n", 0), "its n is 0 instead of 2 to"),
    "n of 1": (put("crypto.kdfparams.n", 1), "its n is 1 instead of 2 to"),
    "n no power of two": (put("crypto.kdfparams.n", 1000), "its n is 1000, which is not a power"),
    "n a text": (put("crypto.kdfparams.n", "262144"), "its n is the text '262144' instead of"),
    "n a float": (put("crypto.kdfparams.n", 262144.0), r"its n is 262144\.0 instead of"),
    "n true": (put("crypto.kdfparams.n", True), "its n is True instead of"),
    "n too large for r": (
        lambda content: content["crypto"]["kdfparams"].update(n=1 << 17, r=1),
        "its n of 131072 is too large for its r of 1",
    ),
    "n too large for memory": (put("crypto.kdfparams.n", 1 << 25), "need too much memory or time"),
    "p too large for time": (put("crypto.kdfparams.p", 1 << 27), "need too much memory or time"),
    "derived key of 16 bytes": (
        put("crypto.kdfparams.dklen", 16),
        "its dklen is 16 instead of 32 to 1024",
    ),
    "no dklen": (drop("crypto.kdfparams.dklen"), "kdfparams has no dklen"),
    "empty salt": (put("crypto.kdfparams.salt", ""), "its salt has 0 bytes instead of 1 to 1024"),
    "unknown parameter": (put("crypto.kdfparams.pepper", "00"), "kdfparams has a field 'pepper'"),
    "unknown field of crypto": (put("crypto.compression", "zip"), "crypto has a field 'compressi"),
    "parameter twice": (put("crypto.kdfparams.N", 8), "kdfparams has a field twice"),
    "ciphertext too long": (put("crypto.ciphertext", "00" * 64), "its ciphertext has 64 bytes"),
    "ciphertext empty": (put("crypto.ciphertext", ""), "its ciphertext has 0 bytes"),
    "mac too short": (put("crypto.mac", "00" * 16), "its mac has 16 bytes instead of 32"),
    "no mac": (drop("crypto.mac"), "crypto has no mac"),
    "version a text": (put("version", "3"), "its version is the text '3' instead of the number 3"),
    "version 1": (put("version", 1), "its version is 1 instead of the number 3"),
    "version 4": (put("version", 4), "a validator's BLS key"),
    "version true": (put("version", True), "its version is True instead of"),
    "no version": (drop("version"), "it has no version"),
    "no crypto": (drop("crypto"), "it has no crypto"),
    "crypto null": (put("crypto", None), "crypto is null instead of an object"),
    "crypto twice": (put("Crypto", {}), "it has a field twice"),
    "address no hexadecimal": (put("address", "xyz"), "its address is the text 'xyz' instead of"),
    "address too short": (put("address", "00" * 19), "its address is the text"),
    "address a number": (put("address", 5), "its address is 5 instead of 20 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_open_keystore__field_unsound__is_refused_by_name(tmp_path: Path, name: str) -> None:
    change, reason = REFUSED[name]
    path = write(tmp_path, changed(change))
    with pytest.raises(KeystoreUnreadable, match=reason) as refused:
        open_keystore(path, "right")
    assert str(path) in str(refused.value)
    assert "right" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put("crypto.kdfparams.c", 0), "its c is 0 instead of 1 to"),
        (put("crypto.kdfparams.prf", "hmac-md5"), "its prf is the text 'hmac-md5'; known: hmac-s"),
        (put("crypto.kdfparams.n", 8), "kdfparams has a field 'n', which is not known"),
        (drop("crypto.kdfparams.prf"), "kdfparams has no prf"),
    ],
)
def test_open_keystore__pbkdf2_unsound__is_refused_by_name(
    tmp_path: Path, change: Change, reason: str
) -> None:
    with pytest.raises(KeystoreUnreadable, match=reason):
        open_keystore(write(tmp_path, changed(change, PBKDF2)), "right")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe{\x00}\x00", "it is not UTF-8 text"),
        (b"[" * 60_000, "it nests lists and objects more than 64 deep"),
        (b'{"version": ' + b"3" * 5_000 + b"}", "it contains a number with too many digits"),
        (b" " * 70_000, "it has more than 65536 bytes"),
        (b"[]", "it is a list instead of an object"),
        (b"null", "it is null instead of an object"),
    ],
    ids=["empty", "UTF-16", "nested", "5,000 digits", "too large", "list", "null"],
)
def test_open_keystore__no_object__says_what_it_is(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "keystore.json"
    path.write_bytes(content)
    with pytest.raises(KeystoreUnreadable, match=reason):
        open_keystore(path, "right")


def test_open_keystore__short_iv__would_be_another_key_by_the_library(tmp_path: Path) -> None:
    content = changed(put("crypto.cipherparams.iv", "00" * 8))
    assert Account.decrypt(content, "right").hex() != KEY
    with pytest.raises(KeystoreUnreadable):
        open_keystore(write(tmp_path, content), "right")


@pytest.mark.parametrize(
    "change", [put("crypto.mac", "00" * 32), put("crypto.ciphertext", "00" * 32)], ids=["mac", "ct"]
)
def test_open_keystore__other_mac__says_passphrase_or_changed(
    tmp_path: Path, change: Change
) -> None:
    with pytest.raises(WrongPassphrase, match="or the file was changed"):
        open_keystore(write(tmp_path, changed(change)), "right")


def test_open_keystore__address_of_another_key__names_both(tmp_path: Path) -> None:
    path = write(tmp_path, changed(put("address", OTHER[2:].lower())))
    with pytest.raises(KeystoreOfAnotherAddress) as refused:
        open_keystore(path, "right")
    assert (refused.value.named, refused.value.derived) == (OTHER, ADDRESS)
    with pytest.raises(KeystoreOfAnotherAddress):
        find_address(path, {"TEETEE_PASSPHRASE": "right"}, no_question)


@pytest.mark.parametrize("first", ["00", "0000"])
def test_open_keystore__key_without_its_leading_zeros__is_opened_if_the_address_fits(
    tmp_path: Path, first: str
) -> None:
    """Some early wallets cut them off; geth opens such files, eth_account does not."""
    whole = first + "42" * (32 - len(first) // 2)
    content = _encrypted(bytes.fromhex(whole[len(first) :]))
    content["address"] = str(Account.from_key(whole).address)
    assert open_keystore(write(tmp_path, content), "right").key.hex() == whole
    del content["address"]
    with pytest.raises(KeystoreUnreadable, match="bytes instead of 32"):
        open_keystore(write(tmp_path, content), "right")


def _encrypted(secret: bytes) -> dict[str, Any]:
    """A keystore of bytes that are no whole key."""
    derived = hashlib.pbkdf2_hmac("sha256", b"right", b"salt", 2, 32)
    ciphertext = encrypt_aes_ctr(secret, derived[:16], 5)
    return {
        "version": 3,
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": (5).to_bytes(16).hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": "pbkdf2",
            "kdfparams": {"c": 2, "prf": "hmac-sha256", "dklen": 32, "salt": b"salt".hex()},
            "mac": keccak(derived[16:32] + ciphertext).hex(),
        },
    }


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32], ids=["zero", "above the order"])
def test_open_keystore__no_private_key_inside__says_so(tmp_path: Path, secret: bytes) -> None:
    with pytest.raises(KeystoreUnreadable, match="what it holds is not a private key"):
        open_keystore(write(tmp_path, _encrypted(secret)), "right")


def test_open_keystore__passphrase_that_is_not_utf8__is_taken_byte_by_byte(
    tmp_path: Path,
) -> None:
    raw = b"caf\xe9"  # Latin-1 in the environment
    content = Account.encrypt(KEY, raw, kdf="pbkdf2", iterations=2)  # type: ignore[arg-type]
    path = write(tmp_path, content)
    assert open_keystore(path, raw.decode(errors="surrogateescape")).address == ADDRESS


def test_find_address__named_and_no_passphrase__is_as_the_file_says(tmp_path: Path) -> None:
    path = write(tmp_path, SCRYPT)
    assert find_address(path, {}, no_question) == (ADDRESS, str(path))


def test_find_address__not_named__asks_for_the_passphrase(tmp_path: Path) -> None:
    path = write(tmp_path, changed(drop("address")))
    assert find_address(path, {}, lambda _: "right") == (ADDRESS, str(path))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (put("version", "3"), "its version is the text '3'"),
        (put("address", OTHER), f"names the address {to_checksum_address(OTHER)}"),
        (put("crypto.kdfparams.p", 0), "its p is 0"),
    ],
)
def test_wallet_show__unsound_keystore__is_one_sentence(
    tmp_path: Path, change: Change, word: str
) -> None:
    path = write(tmp_path, changed(change))
    done = CliRunner().invoke(
        application,
        ["wallet", "show", "--keystore", str(path)],
        env={"TEETEE_PASSPHRASE": "right", "COLUMNS": "500"},
    )
    assert done.exit_code == 1
    assert word in done.stderr
    assert "report" not in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""The wallet's key, from an encrypted keystore (version 3) or the environment.

It is never an argument: arguments appear in process lists and shell histories. The key leaves this
module only inside an account.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from teetee.client.keystore_file import KEY_BYTES, KeystoreFile
from teetee.client.private_files import create_private, user_folder
from teetee.client.wallet_file_errors import (
    KeystoreExists,
    KeystoreOfAnotherAddress,
    KeystoreUnreadable,
    MalformedKey,
    NoKey,
    WrongPassphrase,
)

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

KEY_VARIABLE = "TEETEE_PRIVATE_KEY"
PASSPHRASE_VARIABLE = "TEETEE_PASSPHRASE"  # noqa: S105 - a name

SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

AskPassphrase = Callable[[str], str]


def default_keystore() -> Path:
    """The keystore that `teetee wallet create` writes by default."""
    return user_folder("XDG_CONFIG_HOME", ".config") / "keystore.json"


def load_account(
    keystore: Path | None, environment: Mapping[str, str], ask: AskPassphrase
) -> LocalAccount:
    """Load the wallet: the named keystore, else the key in the environment, else the default
    keystore.

    `ask` is called with the keystore's path if the environment has no passphrase. Errors: `NoKey`,
    `MalformedKey`, `KeystoreUnreadable`, `WrongPassphrase`, `KeystoreOfAnotherAddress`.
    """
    if keystore is not None:
        return open_keystore(keystore, _passphrase(keystore, environment, ask))
    if key := environment.get(KEY_VARIABLE):
        return _from_hex(key)
    if (default := default_keystore()).exists():
        return open_keystore(default, _passphrase(default, environment, ask))
    raise NoKey


def find_address(
    keystore: Path | None, environment: Mapping[str, str], ask: AskPassphrase
) -> tuple[str, str]:
    """Find the address of the wallet that `load_account` loads, and where it comes from.

    A keystore's own word is believed unless the environment has the passphrase that proves it.
    `ask` is called only for a keystore that names no address.
    """
    key = environment.get(KEY_VARIABLE)
    if keystore is None and key:
        return str(_from_hex(key).address), KEY_VARIABLE
    path = keystore or default_keystore()
    if keystore is None and not path.exists():
        raise NoKey
    named = KeystoreFile.read(path).address
    if named is not None and PASSPHRASE_VARIABLE not in environment:
        return named, str(path)
    return str(open_keystore(path, _passphrase(path, environment, ask)).address), str(path)


def create_keystore(path: Path, passphrase: str) -> LocalAccount:
    """Generate a key and write it encrypted (scrypt), readable only by its owner.

    Raises `KeystoreExists`.
    """
    from eth_account import Account

    account: LocalAccount = Account.create()
    text = json.dumps(Account.encrypt(account.key, passphrase), indent=2)
    try:
        create_private(path, text.encode())
    except FileExistsError:
        raise KeystoreExists(str(path)) from None
    return account


def open_keystore(path: Path, passphrase: str) -> LocalAccount:
    """Decrypt a keystore. Raises `KeystoreUnreadable`, `WrongPassphrase`,
    `KeystoreOfAnotherAddress`.
    """
    from eth_account import Account

    file = KeystoreFile.read(path)
    try:
        # The bytes that were typed, also where the locale cannot read them.
        key = bytes(Account.decrypt(file.content, passphrase.encode(errors="surrogateescape")))  # type: ignore[arg-type]
    except ValueError as error:
        if "MAC" in str(error):
            raise WrongPassphrase(str(path)) from None
        raise KeystoreUnreadable(str(path), "its parameters cannot be computed here") from None
    except MemoryError:
        raise KeystoreUnreadable(str(path), "it needs more memory than there is") from None
    if not 0 < int.from_bytes(key) < SECP256K1_ORDER:
        raise KeystoreUnreadable(str(path), "what it holds is not a private key")
    account: LocalAccount = Account.from_key(key.rjust(KEY_BYTES, b"\0"))
    if file.address not in (None, account.address):
        raise KeystoreOfAnotherAddress(str(path), str(file.address), str(account.address))
    return account


def _passphrase(path: Path, environment: Mapping[str, str], ask: AskPassphrase) -> str:
    passphrase = environment.get(PASSPHRASE_VARIABLE)
    return passphrase if passphrase is not None else ask(os.fspath(path))


def _from_hex(key: str) -> LocalAccount:
    from eth_account import Account

    # No message of another library may contain the value.
    try:
        raw = bytes.fromhex(key.strip().removeprefix("0x"))
    except ValueError:
        raise MalformedKey from None
    if len(raw) != 32 or not 0 < int.from_bytes(raw) < SECP256K1_ORDER:
        raise MalformedKey
    account: LocalAccount = Account.from_key(raw)
    return account

# SPDX-License-Identifier: Apache-2.0
"""Reads an encrypted keystore (Web3 secret storage, version 3) strictly.

The library that decrypts accepts what decrypts to another key or checks no passphrase at all: a
short iv, a cipher it does not know, a derived key of 16 bytes. Here every field is checked, and an
error names the field, what it holds, and what is read. Holds no key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from teetee.client.wallet_file_errors import KeystoreUnreadable
from teetee.protocol.json import shallow as shallow_json

MAX_FILE_BYTES: Final = 1 << 16
MAX_SCRYPT_BYTES: Final = 1 << 31
MAX_SCRYPT_WORK: Final = 1 << 28
"""n · r · p; the usual 2^21 takes about a second."""
MAX_PBKDF2_ROUNDS: Final = 1 << 28
DERIVED_BYTES: Final = range(32, 1025)
SALT_BYTES: Final = range(1, 1025)
KEY_BYTES: Final = 32

_FIELDS: Final = {"cipher", "cipherparams", "ciphertext", "kdf", "kdfparams", "mac"}
_SCRYPT: Final = {"dklen", "n", "r", "p", "salt"}
_PBKDF2: Final = {"dklen", "c", "prf", "salt"}
_ADDRESS = re.compile(r"(?:0[xX])?[0-9a-fA-F]{40}")


@dataclass(frozen=True)
class KeystoreFile:
    """A keystore whose fields are sound."""

    address: str | None
    """The address that the file names, with checksum. Some wallets leave it out. Only decrypting
    the key proves it."""
    content: dict[str, Any] = field(repr=False)
    """The file in one spelling, for the library that decrypts."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `KeystoreUnreadable`."""
        value = _Fields.of_file(path)
        _require_version(value)
        crypto = value.object("crypto")
        address = value.address()
        content = {"version": 3, "crypto": _crypto(crypto, has_address=address is not None)}
        return cls(address, content)


class _Fields:
    """One object of the file. Names are read in lower case, as other wallets write them."""

    def __init__(self, path: Path, name: str, value: object) -> None:
        self._path, self._name = path, name
        if not isinstance(value, dict):
            raise self.refused(f"{name} is {_shown(value)} instead of an object")
        self.values = {key.lower(): each for key, each in value.items()}
        if len(self.values) < len(value):
            raise self.refused(f"{name} has a field twice, in capitals and in small letters")

    @classmethod
    def of_file(cls, path: Path) -> _Fields:
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise KeystoreUnreadable(str(path), error.strerror or "unreadable") from None
        if len(data) > MAX_FILE_BYTES:
            raise KeystoreUnreadable(str(path), f"it has more than {MAX_FILE_BYTES} bytes")
        try:
            value = shallow_json.load(data, allow_byte_order_mark=True)
        except ValueError as error:
            raise KeystoreUnreadable(str(path), f"it {error}") from None
        return cls(path, "it", value)

    def refused(self, reason: str) -> KeystoreUnreadable:
        return KeystoreUnreadable(str(self._path), reason)

    def require_only(self, known: set[str]) -> None:
        """Refuse a field that might change how the key is encrypted."""
        for name in sorted(self.values.keys() - known):
            raise self.refused(f"{self._name} has a field {name[:40]!r}, which is not known")

    def get(self, name: str) -> object:
        if name not in self.values:
            raise self.refused(f"{self._name} has no {name}")
        return self.values[name]

    def object(self, name: str) -> _Fields:
        return _Fields(self._path, name, self.get(name))

    def word(self, name: str, known: tuple[str, ...]) -> str:
        value = self.get(name)
        if value not in known:
            raise self.refused(f"its {name} is {_shown(value)}; known: {', '.join(known)}")
        return str(value)

    def integer(self, name: str, first: int, last: int) -> int:
        value = self.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not first <= value <= last:
            raise self.refused(f"its {name} is {_shown(value)} instead of {first} to {last}")
        return value

    def hex(self, name: str, sizes: range) -> str:
        """As digits without 0x, of a number of bytes in `sizes`."""
        value = self.get(name)
        digits = value.removeprefix("0x").removeprefix("0X") if isinstance(value, str) else ""
        if not isinstance(value, str) or not re.fullmatch("(?:[0-9a-fA-F]{2})*", digits):
            raise self.refused(f"its {name} is not bytes in hexadecimal")
        if len(digits) // 2 not in sizes:
            wanted = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
            raise self.refused(f"its {name} has {len(digits) // 2} bytes instead of {wanted}")
        return digits

    def address(self) -> str | None:
        from eth_utils.address import to_checksum_address

        value = self.values.get("address")
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
            raise self.refused(f"its address is {_shown(value)} instead of 20 bytes in hexadecimal")
        return str(to_checksum_address("0x" + value[-40:].lower()))


def _require_version(value: _Fields) -> None:
    version = value.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version == 3:
        return
    if version == 4:
        raise value.refused("its version is 4: a validator's BLS key, which has no account")
    raise value.refused(f"its version is {_shown(version)} instead of the number 3")


def _crypto(crypto: _Fields, *, has_address: bool) -> dict[str, Any]:
    crypto.require_only(_FIELDS)
    cipher = crypto.word("cipher", ("aes-128-ctr",))
    cipher_parameters = crypto.object("cipherparams")
    cipher_parameters.require_only({"iv"})
    kdf = crypto.word("kdf", ("scrypt", "pbkdf2"))
    parameters = crypto.object("kdfparams")
    # Some wallets cut the key's leading zeros off; the address then shows that it is whole.
    sizes = range(1 if has_address else KEY_BYTES, KEY_BYTES + 1)
    return {
        "cipher": cipher,
        "cipherparams": {"iv": cipher_parameters.hex("iv", range(16, 17))},
        "ciphertext": crypto.hex("ciphertext", sizes),
        "kdf": kdf,
        "kdfparams": _scrypt(parameters) if kdf == "scrypt" else _pbkdf2(parameters),
        "mac": crypto.hex("mac", range(32, 33)),
    }


def _scrypt(parameters: _Fields) -> dict[str, Any]:
    parameters.require_only(_SCRYPT)
    n = parameters.integer("n", 2, MAX_SCRYPT_WORK)
    r = parameters.integer("r", 1, MAX_SCRYPT_WORK)
    p = parameters.integer("p", 1, MAX_SCRYPT_WORK)
    if n & (n - 1):
        raise parameters.refused(f"its n is {n}, which is not a power of two")
    # RFC 7914, section 6; hashlib and other wallets enforce it as well.
    if n.bit_length() - 1 >= 16 * r:
        raise parameters.refused(f"its n of {n} is too large for its r of {r}")
    if 128 * n * r > MAX_SCRYPT_BYTES or n * r * p > MAX_SCRYPT_WORK:
        raise parameters.refused(
            f"its n, r and p of {n}, {r} and {p} need too much memory or time; usual are 262144, 8 "
            "and 1"
        )
    return {"n": n, "r": r, "p": p, **_derived(parameters)}


def _pbkdf2(parameters: _Fields) -> dict[str, Any]:
    parameters.require_only(_PBKDF2)
    return {
        "c": parameters.integer("c", 1, MAX_PBKDF2_ROUNDS),
        "prf": parameters.word("prf", ("hmac-sha256",)),
        **_derived(parameters),
    }


def _derived(parameters: _Fields) -> dict[str, Any]:
    """Shorter than 32 bytes, a derived key would leave the mac without a key."""
    return {
        "dklen": parameters.integer("dklen", DERIVED_BYTES[0], DERIVED_BYTES[-1]),
        "salt": parameters.hex("salt", SALT_BYTES),
    }


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None:
        return "null"
    return f"the text {value[:40]!r}" if isinstance(value, str) else str(value)[:40]

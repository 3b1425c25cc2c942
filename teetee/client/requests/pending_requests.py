# SPDX-License-Identifier: Apache-2.0
"""Requests whose answer is not read yet, one file each, so that a crash loses nothing.

A file holds the only copy of the request's secret `k`, sealed (AES-256-GCM) under a key derived
from the wallet's private key. It is written before the transaction is sent and removed after the
answer is read. Without the wallet, it reveals only what is on the chain.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_account.signers.local import LocalAccount

from teetee.client.errors import PendingRequestUnreadable
from teetee.client.private_files import (
    create_private,
    remove_private,
    replace_private,
    user_folder,
)
from teetee.client.wallet_file_errors import FileNotRead
from teetee.protocol.json import shallow as shallow_json

VERSION = 1
PURPOSE = b"teetee/resume/v1"
NONCE_BYTES = 12

T = TypeVar("T")


@dataclass(frozen=True)
class PendingRequest:
    """One pending request. `sealed_secret` is `nonce (12 bytes) ‖ AES-GCM(k)`; transaction and
    request id are None until they are known.
    """

    chain_id: int
    escrow: str
    requester: str
    model_id: int
    client_nonce: bytes
    sent_after_block: int
    deadline: int
    """Unix seconds; the escrow opens the request no later than this."""
    sealed_secret: bytes
    transaction: str | None = None
    request_id: int | None = None

    def secret(self, account: LocalAccount) -> bytes:
        """Decrypt `k`, 32 bytes. Raises `PendingRequestUnreadable` for another wallet."""
        nonce, ciphertext = self.sealed_secret[:NONCE_BYTES], self.sealed_secret[NONCE_BYTES:]
        cipher = AESGCM(_key(account, self.client_nonce))
        try:
            return cipher.decrypt(nonce, ciphertext, self._binding())
        except (InvalidTag, ValueError):
            reason = f"it belongs to {self.requester}, or was changed"
            raise PendingRequestUnreadable(f"0x{self.client_nonce.hex()}", reason) from None

    def sealed(self, account: LocalAccount, secret: bytes) -> PendingRequest:
        """Return a copy that holds `secret`."""
        nonce = os.urandom(NONCE_BYTES)
        cipher = AESGCM(_key(account, self.client_nonce))
        return replace(self, sealed_secret=nonce + cipher.encrypt(nonce, secret, self._binding()))

    def _binding(self) -> bytes:
        """The authenticated fields; transaction and request id can be read from the chain."""
        fields = [
            VERSION,
            self.chain_id,
            self.escrow,
            self.requester,
            self.model_id,
            self.sent_after_block,
            self.deadline,
        ]
        return json.dumps(fields).encode() + self.client_nonce


class PendingRequests:
    """One user's folder of pending requests."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or user_folder("XDG_STATE_HOME", ".local/state")

    def add(self, pending: PendingRequest) -> None:
        """Write a new file for it."""
        create_private(self._path(pending), _encode(pending))

    def update(self, pending: PendingRequest) -> None:
        """Rewrite its file."""
        replace_private(self._path(pending), _encode(pending))

    def remove(self, pending: PendingRequest) -> None:
        """Remove its file, if there is one."""
        remove_private(self._path(pending))

    def all(self, chain_id: int, escrow: str, requester: str | None = None) -> list[PendingRequest]:
        """List one escrow's (and wallet's), oldest first. Raises `PendingRequestUnreadable`,
        `FileNotRead`.
        """
        found = [_decode(path) for path in self._files(f"{chain_id}-{escrow}-*.json")]
        matching = [each for each in found if requester is None or each.requester == requester]
        return sorted(matching, key=lambda each: each.sent_after_block)

    def _files(self, pattern: str) -> list[Path]:
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        except OSError as error:  # glob would find nothing, and say nothing
            raise FileNotRead(str(self.folder), error.strerror or type(error).__name__) from None
        return [self.folder / name for name in sorted(names) if fnmatchcase(name, pattern)]

    def _path(self, pending: PendingRequest) -> Path:
        name = f"{pending.chain_id}-{pending.escrow}-{pending.client_nonce.hex()}.json"
        return self.folder / name


def _key(account: LocalAccount, client_nonce: bytes) -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE + client_nonce)
    return derivation.derive(bytes(account.key))


def _encode(pending: PendingRequest) -> bytes:
    return json.dumps(
        {
            "version": VERSION,
            "chainId": pending.chain_id,
            "escrow": pending.escrow,
            "requester": pending.requester,
            "modelId": pending.model_id,
            "clientNonce": pending.client_nonce.hex(),
            "sentAfterBlock": pending.sent_after_block,
            "deadline": pending.deadline,
            "sealedSecret": pending.sealed_secret.hex(),
            "transaction": pending.transaction,
            "requestId": pending.request_id,
        },
        indent=2,
    ).encode()


def _decode(path: Path) -> PendingRequest:
    try:
        value = shallow_json.load(path.read_bytes())
        if value["version"] != VERSION:
            raise PendingRequestUnreadable(str(path), f"it has version {value['version']!r}")
        return PendingRequest(
            chain_id=_typed(value, "chainId", int),
            escrow=_typed(value, "escrow", str),
            requester=_typed(value, "requester", str),
            model_id=_typed(value, "modelId", int),
            client_nonce=bytes.fromhex(_typed(value, "clientNonce", str)),
            sent_after_block=_typed(value, "sentAfterBlock", int),
            deadline=_typed(value, "deadline", int),
            sealed_secret=bytes.fromhex(_typed(value, "sealedSecret", str)),
            transaction=_optional(value, "transaction", str),
            request_id=_optional(value, "requestId", int),
        )
    except OSError as error:
        raise FileNotRead(str(path), error.strerror or type(error).__name__) from None
    except (ValueError, KeyError, TypeError):
        raise PendingRequestUnreadable(str(path), "it is damaged") from None


def _typed(value: Mapping[str, Any], name: str, kind: type[T]) -> T:
    field = value[name]
    if not isinstance(field, kind):
        raise TypeError(name)
    return field


def _optional(value: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    return None if value[name] is None else _typed(value, name, kind)

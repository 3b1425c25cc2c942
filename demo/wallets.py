# SPDX-License-Identifier: Apache-2.0
"""The wallets of a local world: new keys, funded by setting their balance on the local chain."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from demo.local_chain import ETHER, LocalChain
from teetee.client.keystore import KEY_VARIABLE
from teetee.client.private_files import create_private

# scrypt's cost factor. These keys protect nothing, so opening a keystore should be quick.
KEYSTORE_COST = 2


@dataclass(frozen=True)
class Wallet:
    """A role and its key."""

    role: str
    account: LocalAccount = field(repr=False)

    @classmethod
    def fresh(cls, role: str, chain: LocalChain, ether: int = 100) -> Wallet:
        """A new key with some ETH for gas."""
        wallet = cls(role, Account.create())
        chain.set_ether(wallet.address, ether * ETHER)
        return wallet

    @property
    def address(self) -> str:
        """Checksummed."""
        return str(self.account.address)

    @property
    def key(self) -> str:
        """Hexadecimal, with 0x."""
        return "0x" + bytes(self.account.key).hex()

    @property
    def environment(self) -> dict[str, str]:
        """The key in the variable that `teetee` reads."""
        return {KEY_VARIABLE: self.key}

    def write_keystore(self, path: Path, passphrase: str) -> None:
        """Write the key to a file for `teetee --keystore`."""
        keystore = Account.encrypt(self.account.key, passphrase, iterations=KEYSTORE_COST)
        create_private(path, json.dumps(keystore).encode())

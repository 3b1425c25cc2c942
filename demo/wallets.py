# SPDX-License-Identifier: Apache-2.0
"""The wallets of a local world: fresh keys, money out of nothing, gone with the process."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_account import Account
from eth_account.signers.local import LocalAccount

from demo.local_chain import ETHER, LocalChain
from teetee.client.keystore import KEY_VARIABLE


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
    def environment(self) -> dict[str, str]:
        """The key, as `teetee` takes it."""
        return {KEY_VARIABLE: "0x" + bytes(self.account.key).hex()}

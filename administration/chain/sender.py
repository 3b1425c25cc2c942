# SPDX-License-Identifier: Apache-2.0
"""Who sends a script's transactions, and how many of them a purse allows."""

import os
from collections.abc import Callable
from typing import Any

import click
from ape import accounts
from ape.api import AccountAPI, ProviderAPI
from ape_accounts.accounts import ApeSigner

from administration.chain.networks import Network
from administration.errors import NoAccount
from teetee.chain.errors import InsufficientFunds
from teetee.client.keystore import KEY_VARIABLE, load_account

PASSPHRASE_VARIABLE = "APE_ACCOUNTS_{alias}_PASSPHRASE"
TEST_ACCOUNT = "TEST::"


def account_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--account`, as a name: accounts are looked up when the network is known."""
    return click.option(
        "--account",
        "account_name",
        metavar="ALIAS",
        help="Who pays and signs: an alias of `ape accounts list`, with its passphrase in "
        "APE_ACCOUNTS_<ALIAS>_PASSPHRASE or asked for; TEST::0 to TEST::9 on a local chain. "
        f"Without it: the private key in {KEY_VARIABLE}; on a local chain else TEST::0.",
    )(command)


def sender(name: str | None, network: Network) -> AccountAPI:
    """The account that was named, or the one which the environment or a local chain implies.

    Raises `NoAccount`, `MalformedKey`; ape raises `AccountsError` for a wrong passphrase.
    """
    if name is None and (key := os.environ.get(KEY_VARIABLE)):
        local = load_account(None, {KEY_VARIABLE: key}, lambda _: "")
        return ApeSigner(private_key="0x" + local.key.hex().removeprefix("0x"))
    if name is None:
        if network.is_live:
            raise NoAccount(network.name)
        name = TEST_ACCOUNT + "0"
    if name.upper().startswith(TEST_ACCOUNT):
        return _test_account(name, network)
    if name not in accounts.aliases:
        raise NoAccount(network.name, name)
    account: AccountAPI = accounts.load(name)
    if os.environ.get(PASSPHRASE_VARIABLE.format(alias=name)):
        # Nobody is there to confirm each transaction.
        account.set_autosign(True)
    return account


def require_funds(account: AccountAPI, provider: ProviderAPI, gas: int) -> None:
    """Refuse to begin what would stop half-way for want of ETH. Raises `InsufficientFunds`."""
    needed = gas * max(1, int(provider.gas_price))
    have = int(account.balance)
    if have < needed:
        raise InsufficientFunds(needed, have, str(account.address))


def _test_account(name: str, network: Network) -> AccountAPI:
    number = name[len(TEST_ACCOUNT) :]
    if network.is_live:
        # Their keys are known to everybody.
        raise NoAccount(network.name, name)
    if not number.isdigit() or int(number) >= len(accounts.test_accounts):
        raise NoAccount(network.name, name)
    account: AccountAPI = accounts.test_accounts[int(number)]
    return account

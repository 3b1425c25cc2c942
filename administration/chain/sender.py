# SPDX-License-Identifier: Apache-2.0
"""The account that signs and pays for a script's transactions."""

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
    """`--account`, as a name: the account is looked up once the network is known."""
    return click.option(
        "--account",
        "account_name",
        metavar="ALIAS",
        help="The account that signs and pays: an alias of `ape accounts list`, its passphrase "
        "read from APE_ACCOUNTS_<ALIAS>_PASSPHRASE or a prompt; or TEST::0 to TEST::9 on a local "
        f"chain.  [default: the private key in {KEY_VARIABLE}; on a local chain, TEST::0]",
    )(command)


def find_account(name: str | None, network: Network) -> AccountAPI:
    """The named account; without a name, the environment's key or a local chain's first account.

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
        # The command runs unattended: do not ask before each transaction.
        account.set_autosign(True)
    return account


def require_funds(account: AccountAPI, provider: ProviderAPI, gas: int) -> None:
    """Refuse to start what would stop half-way for lack of ETH. Raises `InsufficientFunds`."""
    needed = gas * max(1, int(provider.gas_price))
    balance = int(account.balance)
    if balance < needed:
        raise InsufficientFunds(needed, balance, str(account.address))


def _test_account(name: str, network: Network) -> AccountAPI:
    number = name[len(TEST_ACCOUNT) :]
    if network.is_live:
        # The keys of test accounts are public.
        raise NoAccount(network.name, name)
    if not number.isdigit() or int(number) >= len(accounts.test_accounts):
        raise NoAccount(network.name, name)
    account: AccountAPI = accounts.test_accounts[int(number)]
    return account

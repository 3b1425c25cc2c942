# SPDX-License-Identifier: Apache-2.0
"""`teetee wallet`: the key, and what it owns."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from teetee.cli.options import KeystoreOption
from teetee.cli.session import Session, with_session
from teetee.client import keystore as keys
from teetee.client.amounts import format_amount
from teetee.client.errors import NoPassphrase

wallet = typer.Typer(
    no_args_is_help=True,
    help="The wallet that asks, pays and earns.",
    epilog="""
The key is read from --keystore (or TEETEE_KEYSTORE), else from
TEETEE_PRIVATE_KEY, else from the default keystore.

It is never an argument: those stand in the process list and in histories.
""",
)


@wallet.command(
    epilog="""
  $ teetee wallet create

  $ TEETEE_PASSPHRASE=… teetee wallet create --keystore host.json --json
"""
)
@with_session
def create(session: Session, keystore: KeystoreOption = None) -> None:
    """Make a key and write it to an encrypted keystore."""
    path = keystore or keys.default_keystore()
    account = keys.create_keystore(path, _new_passphrase(session, path))
    session.printer.result({"address": account.address, "keystore": str(path)})
    if not session.printer.as_json:
        session.printer.line(str(account.address))
        session.printer.say(
            f"Written to {path}. Keep a copy of file and passphrase: nobody can restore them."
        )


@wallet.command()
@with_session
def show(session: Session, keystore: KeystoreOption = None) -> None:
    """Print the wallet's address."""
    environment_key = os.environ.get(keys.KEY_VARIABLE)
    path = keystore or (None if environment_key else keys.default_keystore())
    # A keystore names its address: no passphrase is needed to show it.
    if path is not None and path.exists():
        address, source = keys.keystore_address(path), str(path)
    else:
        address, source = str(session.account(keystore).address), keys.KEY_VARIABLE
    session.printer.result({"address": address, "source": source})
    if not session.printer.as_json:
        session.printer.line(address)


@wallet.command()
@with_session
def balance(session: Session, keystore: KeystoreOption = None) -> None:
    """Print what the wallet has: ETH for gas, tokens, and credit with the escrow."""
    address = str(session.account(keystore).address)
    contracts = session.contracts
    ether = contracts.ether_of(address)
    tokens = contracts.token.balance_of(address)
    credit = contracts.escrow.account_of(address).credit
    session.printer.result(
        {"address": address, "ether": str(ether), "tokens": str(tokens), "credit": str(credit)}
    )
    if not session.printer.as_json:
        session.printer.table(
            ("what", "how much"),
            [
                ("ETH, for gas", format_amount(ether, "ETH")),
                ("tokens", format_amount(tokens)),
                ("credit with the escrow", format_amount(credit)),
            ],
            title=address,
        )


@wallet.command()
@with_session
def faucet(session: Session, keystore: KeystoreOption = None) -> None:
    """Claim some tokens, on test networks."""
    account = session.account(keystore)
    token = session.contracts.token
    with session.printer.waiting("Claiming…"):
        sent = session.sender(account).send(token.claim())
    tokens = token.balance_of(str(account.address))
    session.printer.result(
        {
            "address": account.address,
            "tokens": str(tokens),
            "transaction": sent.transaction_hash,
            "gasUsed": sent.gas_used,
        }
    )
    session.printer.say(f"{account.address} now has {format_amount(tokens)}.")


@wallet.command(
    epilog="""
  $ teetee wallet withdraw

Refunds and earnings wait as credit with the escrow, and pay for the next
question first. A host's credit goes to its payout address.
"""
)
@with_session
def withdraw(session: Session, keystore: KeystoreOption = None) -> None:
    """Take the whole credit out of the escrow."""
    account = session.account(keystore)
    escrow, address = session.contracts.escrow, str(account.address)
    credit = escrow.account_of(address).credit
    with session.printer.waiting("Withdrawing…"):
        sent = session.sender(account).send(escrow.withdraw(address))
    session.printer.result(
        {
            "address": address,
            "amount": str(credit),
            "transaction": sent.transaction_hash,
            "gasUsed": sent.gas_used,
        }
    )
    session.printer.say(f"{format_amount(credit)} withdrawn.")


def _new_passphrase(session: Session, path: Path) -> str:
    given = os.environ.get(keys.PASSPHRASE_VARIABLE)
    if given is not None:
        return given
    if session.printer.as_json or not os.isatty(0):
        raise NoPassphrase(str(path))
    chosen: str = typer.prompt(
        f"Passphrase for {path}", hide_input=True, confirmation_prompt=True, err=True
    )
    return chosen

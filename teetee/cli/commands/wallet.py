# SPDX-License-Identifier: Apache-2.0
"""`teetee wallet`: the key, and what it owns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from teetee.cli.options import KeystoreOption, parse_address
from teetee.cli.output.help_text import epilog
from teetee.cli.output.printer import Printer
from teetee.cli.session import Session, ask_passphrase, command_app, with_printer, with_session
from teetee.client.amounts import format_amount, parse_amount, round_amount

if TYPE_CHECKING:
    from teetee.chain.calldata import Call
    from teetee.chain.transactions.sender import ConfirmedTransaction

wallet = command_app(
    no_args_is_help=True,
    help="Create a wallet, fund it, see what it owns.",
    epilog=epilog(
        "teetee wallet create",
        "teetee wallet faucet",
        "teetee wallet balance",
        notes="""
The key is read from --keystore (or TEETEE_KEYSTORE), else from TEETEE_PRIVATE_KEY, else from the
default keystore.

It is never an argument: arguments appear in process lists and shell histories.
""",
    ),
)
CREATE_EPILOG = epilog(
    "teetee wallet create",
    "TEETEE_PASSPHRASE=… teetee wallet create --keystore host.json --json",
)
WITHDRAW_EPILOG = epilog(
    "teetee wallet withdraw",
    notes="""
Refunds and earnings are credit at the escrow. Credit pays for your next request first. A host's
credit goes to its payout address.
""",
)
SEND_EPILOG = epilog(
    "teetee wallet send ADDRESS 2.5",
    "teetee wallet send ADDRESS 0.01 --eth",
)


@wallet.command(epilog=CREATE_EPILOG)
@with_printer
def create(printer: Printer, keystore: KeystoreOption = None) -> None:
    """Make a new key and write it to an encrypted keystore."""
    from teetee.client import keystore as keys

    path = keystore or keys.default_keystore()
    account = keys.create_keystore(path, _new_passphrase(printer, path))
    printer.result({"address": account.address, "keystore": str(path)})
    if not printer.as_json:
        printer.line(str(account.address))
    if keys.PASSPHRASE_VARIABLE in os.environ:
        printer.warn(
            f"The passphrase of this wallet is the value of {keys.PASSPHRASE_VARIABLE}. Run `unset "
            f"{keys.PASSPHRASE_VARIABLE}` first to be asked for one."
        )
    printer.say(
        f"Written to {path}. Back up this file and its passphrase: no one can restore them."
    )
    if keystore is None and os.environ.get(keys.KEY_VARIABLE):
        printer.warn(
            f"{keys.KEY_VARIABLE} is set and takes precedence: commands will not use this new "
            f"wallet. Run `unset {keys.KEY_VARIABLE}` to use it."
        )


@wallet.command(epilog=epilog("teetee wallet show"))
@with_printer
def show(printer: Printer, keystore: KeystoreOption = None) -> None:
    """Print the wallet's address."""
    from teetee.client.keystore import find_address

    address, source = find_address(
        keystore,
        os.environ,
        lambda path: ask_passphrase(printer, f"Passphrase of {path}", path),
    )
    printer.result({"address": address, "source": source})
    if not printer.as_json:
        printer.line(address)
        printer.say(f"from {source}", "dim")


@wallet.command(epilog=epilog("teetee wallet balance"))
@with_session
def balance(session: Session, keystore: KeystoreOption = None) -> None:
    """Show what the wallet owns: ETH for gas, TEE, and credit at the escrow."""
    printer, address, contracts = session.printer, session.address(keystore), session.contracts
    with printer.waiting("Reading balances…"):
        ether = contracts.ether_of(address)
        tokens = contracts.token.balance_of(address)
        credit = contracts.escrow.account_of(address).credit
    printer.result(
        {"address": address, "ether": str(ether), "tokens": str(tokens), "credit": str(credit)}
    )
    if printer.as_json:
        return
    printer.record(
        [
            ("ETH, for gas", round_amount(ether, "ETH", down=True)),
            ("TEE", round_amount(tokens, down=True)),
            ("TEE, as credit", round_amount(credit, down=True)),
        ],
        title=f"Wallet {address}",
    )
    if credit > 1:  # the escrow keeps one wei
        printer.say(
            "Credit is held by the escrow and pays for your next request first. "
            "`teetee wallet withdraw` moves it to the wallet.",
            "dim",
        )


@wallet.command(epilog=epilog("teetee wallet faucet"))
@with_session
def faucet(session: Session, keystore: KeystoreOption = None) -> None:
    """Claim free TEE, on test networks. On a local test chain, get ETH for gas as well."""
    from teetee.client.local_funds import fund_on_anvil

    printer, account = session.printer, session.account(keystore)
    contracts, address = session.contracts, str(account.address)
    ether = fund_on_anvil(contracts, address)
    if ether is not None:
        printer.say(
            f"This is a local test chain: the balance of {address} was set to "
            f"{round_amount(ether, 'ETH')}, to pay for gas."
        )
    sent = _send(session, keystore, contracts.token.claim(), "Claiming TEE…")
    tokens = contracts.token.balance_of(address)
    printer.result(
        {
            "address": address,
            "tokens": str(tokens),
            "ether": None if ether is None else str(ether),
            **_sent_json(sent),
        }
    )
    printer.say(f"{address} now has {round_amount(tokens, down=True)}.", "good")


@wallet.command(epilog=SEND_EPILOG)
@with_session
def send(
    session: Session,
    to: Annotated[
        str,
        typer.Argument(help="Address that receives it.", metavar="ADDRESS", parser=parse_address),
    ],
    amount: Annotated[
        str,
        typer.Argument(
            help="Amount in TEE (with --eth, in ETH), such as 1.5; or like '1500 wei'.",
            metavar="AMOUNT",
        ),
    ],
    eth: Annotated[bool, typer.Option("--eth", help="Send ETH instead of TEE.")] = False,
    keystore: KeystoreOption = None,
) -> None:
    """Send TEE, or ETH, to another wallet."""
    from teetee.chain.calldata import Call
    from teetee.client.errors import TransferAboveBalance

    wei, unit = parse_amount(amount), "ETH" if eth else "TEE"
    if not wei:
        raise typer.BadParameter("an amount of 0 moves nothing.", param_hint="'AMOUNT'")
    sender, token = session.address(keystore), session.contracts.token
    if not eth and (balance := token.balance_of(sender)) < wei:
        raise TransferAboveBalance(sender, format_amount(wei), round_amount(balance, down=True))
    call = Call(to, b"", "transfer", wei) if eth else token.transfer(to, wei)
    sent = _send(session, keystore, call, f"Sending {format_amount(wei, unit)}…")
    session.printer.result(
        {"address": sender, "to": to, "amount": str(wei), "unit": unit, **_sent_json(sent)}
    )
    session.printer.say(f"{format_amount(wei, unit)} sent to {to}.", "good")


@wallet.command(epilog=WITHDRAW_EPILOG)
@with_session
def withdraw(session: Session, keystore: KeystoreOption = None) -> None:
    """Move the whole credit from the escrow to the wallet."""
    escrow, address = session.contracts.escrow, session.address(keystore)
    credit = escrow.account_of(address).credit
    sent = _send(session, keystore, escrow.withdraw(address), "Withdrawing…")
    session.printer.result({"address": address, "amount": str(credit), **_sent_json(sent)})
    session.printer.say(f"{round_amount(credit)} withdrawn.", "good")


def _send(
    session: Session, keystore: Path | None, call: Call, waiting: str
) -> ConfirmedTransaction:
    account = session.account(keystore)
    with session.printer.waiting(waiting):
        return session.sender(account).send(call)


def _sent_json(sent: ConfirmedTransaction) -> dict[str, Any]:
    return {"transaction": sent.transaction_hash, "gasUsed": sent.gas_used}


def _new_passphrase(printer: Printer, path: Path) -> str:
    from teetee.client.keystore import PASSPHRASE_VARIABLE

    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given is not None:
        return given
    return ask_passphrase(printer, f"Passphrase for {path}", str(path), twice=True)

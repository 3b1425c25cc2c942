"""`teetee wallet`: the key, and what it owns."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from teetee.client import keystore as keys
from teetee.client.errors import NoPassphrase
from teetee.command.session import KeystoreOption, Session, with_session

wallet = typer.Typer(
    no_args_is_help=True,
    help="The wallet that asks, pays and earns.",
    epilog="""
The key is read from --keystore (or TEETEE_KEYSTORE), else from TEETEE_PRIVATE_KEY,
else from the default keystore.

It is never an argument: those stand in the process list and in the shell's history.
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

# SPDX-License-Identifier: Apache-2.0
"""`teetee host run`: becomes the enclave's process. Nothing of it is imported: it is another
package's business.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from teetee.cli.options import KeystoreOption
from teetee.cli.session import Session, with_session
from teetee.client import keystore as keys
from teetee.client.errors import NoKey

# The enclave makes its own keys: the host's are none of its business.
WITHHELD = (keys.KEY_VARIABLE, keys.PASSPHRASE_VARIABLE, "TEETEE_KEYSTORE")

HOST_VARIABLE = "TEETEE_HOST"


@with_session
def run(
    session: Session,
    model: Annotated[
        str | None, typer.Option("--model", help="GGUF file, local folder or hub id.")
    ] = None,
    model_id: Annotated[
        int | None, typer.Option("--model-id", min=1, help="The published model.")
    ] = None,
    layers: Annotated[
        str | None, typer.Option("--layers", help="FIRST-END, the end not included, like 0-15.")
    ] = None,
    entry: Annotated[
        bool | None,
        typer.Option("--entry/--no-entry", help="Also holds tokenizer, embedding and head."),
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", help="Address to listen on. Default: all.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65_535)] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the journal; no plaintext in it.")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", help="More settings: a TOML or .env file.", exists=True),
    ] = None,
    keystore: KeystoreOption = None,
) -> None:
    """Start the enclave's process (`python -m oracle run`) with these settings, and become it."""
    given = {
        "TEETEE_MODEL": model,
        "TEETEE_MODEL_ID": model_id,
        "TEETEE_LAYERS": layers,
        "TEETEE_IS_ENTRY": None if entry is None else str(entry).lower(),
        "TEETEE_LISTEN_HOST": listen,
        "TEETEE_LISTEN_PORT": port,
        "TEETEE_DATA_DIRECTORY": data,
        "TEETEE_RPC_URL": ",".join(session.connection.urls),
        "TEETEE_DEPLOYMENT": session.connection.path.resolve(),
    }
    known = {
        "TEETEE_CHAIN_ID": str(session.connection.load().chain_id),
        HOST_VARIABLE: _host(keystore),
    }
    environment = enclave_environment(os.environ, known, given)
    arguments = [sys.executable, "-m", "oracle", "run"]
    if settings is not None:
        arguments += ["--settings", str(settings)]
    session.printer.say("Starting the enclave's process…", "dim")
    os.execvpe(arguments[0], arguments, environment)  # noqa: S606 - no shell is wanted


def enclave_environment(
    present: Mapping[str, str], known: Mapping[str, str], given: Mapping[str, object]
) -> dict[str, str]:
    """Options win over the environment, which wins over what is known here; no key of the wallet is
    in it.
    """
    environment = {**known, **present}
    environment |= {name: str(value) for name, value in given.items() if value is not None}
    return {name: value for name, value in environment.items() if name not in WITHHELD}


def _host(path: Path | None) -> str:
    """The wallet's address: public, so no passphrase is asked for."""
    if path is None and (named := os.environ.get(HOST_VARIABLE)):
        return named
    if path is None and (key := os.environ.get(keys.KEY_VARIABLE)):
        return str(keys.load_account(None, {keys.KEY_VARIABLE: key}, lambda _: "").address)
    path = path or keys.default_keystore()
    if not path.exists():
        raise NoKey
    return keys.keystore_address(path)

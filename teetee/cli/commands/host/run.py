# SPDX-License-Identifier: Apache-2.0
"""`teetee host run`: becomes the enclave's process, which belongs to another package and is not
imported here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from teetee.cli.session import Session
from teetee.client import keystore as keys
from teetee.client.private_files import user_folder
from teetee.protocol.endpoint import DEFAULT_PORT

# The enclave makes its own keys; it must not see the host's. It knows no other of the wallet's
# variables either, and refuses what it does not know.
WITHHELD = (
    *(keys.KEY_VARIABLE, keys.PASSPHRASE_VARIABLE, "TEETEE_KEYSTORE"),
    *("TEETEE_NETWORK", "TEETEE_DEBUG"),
)
HOST_VARIABLE = "TEETEE_HOST"
KEYS_VARIABLE = "TEETEE_KEYS_DIRECTORY"
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - the enclave refuses a folder of others

# By variable, the option that sets it.
REQUIRED = {"TEETEE_MODEL": "--model", "TEETEE_MODEL_ID": "--model-id", "TEETEE_LAYERS": "--layers"}


def become_enclave(
    session: Session,
    keystore: Path | None,
    options: Mapping[str, object],
    settings: Path | None,
) -> None:
    """Replace this process by the enclave's, with these settings and those of the connection."""
    given = dict(options) if settings is not None else complete_settings(options, os.environ)
    given |= {
        "TEETEE_RPC_URL": ",".join(session.connection.urls),
        "TEETEE_RPC_QUORUM": session.connection.quorum,
        "TEETEE_DEPLOYMENT": session.connection.path.resolve(),
    }
    known = {
        "TEETEE_CHAIN_ID": str(session.connection.load().chain_id),
        HOST_VARIABLE: os.environ.get(HOST_VARIABLE) or session.address(keystore),
    }
    environment = enclave_environment(os.environ, known, given)
    arguments = [sys.executable, "-m", "oracle", "run"]
    if settings is not None:
        arguments += ["--settings", str(settings)]
    session.printer.say(
        "Starting the enclave. It logs “ready” when its layers are loaded; `teetee host enrol` "
        "in another terminal waits for that.",
        "dim",
    )
    os.execvpe(arguments[0], arguments, environment)  # noqa: S606 - no shell is wanted


def complete_settings(
    given: Mapping[str, object], environment: Mapping[str, str]
) -> dict[str, object]:
    """Add the default folders. Raises a usage error that names every missing option."""
    settings = {
        name: environment.get(name) if value is None else value for name, value in given.items()
    }
    missing = [option for name, option in REQUIRED.items() if settings[name] in (None, "")]
    if missing:
        raise typer.BadParameter(
            f"{', '.join(missing)} missing. For example: --model smollm2.gguf --model-id 1 "
            "--layers 0-10. A file with --settings can hold them as well."
        )
    port = settings["TEETEE_LISTEN_PORT"] or DEFAULT_PORT
    name = f"model-{settings['TEETEE_MODEL_ID']}-layers-{settings['TEETEE_LAYERS']}-port-{port}"
    folders = {
        "TEETEE_DATA_DIRECTORY": user_folder("XDG_STATE_HOME", ".local/state") / "shards" / name,
        KEYS_VARIABLE: MEMORY_FOLDER / f"teetee-{os.getuid()}" / name,
    }
    present = {name: given.get(name) or environment.get(name) for name in folders}
    return {**given, **{name: present[name] or folders[name] for name in folders}}


def enclave_environment(
    present: Mapping[str, str], known: Mapping[str, str], given: Mapping[str, object]
) -> dict[str, str]:
    """Options override the environment, which overrides `known`. No key of the wallet is in it."""
    environment = {**known, **present}
    environment |= {name: str(value) for name, value in given.items() if value is not None}
    return {name: value for name, value in environment.items() if name not in WITHHELD}

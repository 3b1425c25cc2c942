# SPDX-License-Identifier: Apache-2.0
"""What every command shares: where the chain is, who pays, how output is made, and how an error
ends the process.

exit 0    done
     1    a failed check, or an error which trying again does not mend
     2    a command that cannot be understood
     75   an error which may pass by itself (EX_TEMPFAIL)
    130   interrupted
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import typer
from eth_account.signers.local import LocalAccount

from teetee.chain.deployment import LOCAL_NETWORK
from teetee.chain.transactions.sender import Sender
from teetee.cli.network import ConnectionSettings
from teetee.cli.options import DeploymentOption, JsonOption, NetworkOption, RpcOption
from teetee.cli.output.printer import Printer
from teetee.client import keystore
from teetee.client.contracts import Contracts
from teetee.client.errors import NoPassphrase
from teetee.errors import Retryable, TeeTeeError

FAILED, TEMPORARY, INTERRUPTED = 1, 75, 130
DEBUG_VARIABLE = "TEETEE_DEBUG"
POLL_SECONDS, LOCAL_POLL_SECONDS = 1.0, 0.2


@dataclass
class Session:
    """One run of one command."""

    printer: Printer
    connection: ConnectionSettings

    def account(self, path: Path | None) -> LocalAccount:
        """The wallet, from keystore or environment."""
        return keystore.load_account(path, os.environ, self._ask_passphrase)

    @cached_property
    def contracts(self) -> Contracts:
        """The network's, connected on first use."""
        with self.printer.waiting("Connecting…"):
            return self.connection.open()

    def sender(self, account: LocalAccount) -> Sender:
        """Sends that wallet's transactions."""
        return Sender(self.contracts.connection, account, poll_seconds=self.poll_seconds)

    @property
    def poll_seconds(self) -> float:
        """How often to look: a local chain has no block time."""
        local = self.contracts.deployment.network == LOCAL_NETWORK
        return LOCAL_POLL_SECONDS if local else POLL_SECONDS

    def _ask_passphrase(self, path: str) -> str:
        if self.printer.as_json or not os.isatty(0):
            raise NoPassphrase(path)
        answer: str = typer.prompt(f"Passphrase of {path}", hide_input=True, err=True)
        return answer


def connection_settings(
    network: str | None, deployment: Path | None, rpc: list[str] | None
) -> ConnectionSettings:
    """From the options as typer gives them."""
    # Commas, because the variable TEETEE_RPC_URL separates URLs so, for the enclave's process too.
    urls = [url.strip() for given in rpc or () for url in given.split(",")]
    return ConnectionSettings(network, deployment, tuple(url for url in urls if url))


def with_session(function: Callable[..., None]) -> Callable[..., None]:
    """Turn `function(session, …options)` into a command with the shared options, whose errors
    become one sentence.
    """
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, kind, default in (
            ("network", NetworkOption, None),
            ("deployment", DeploymentOption, None),
            ("rpc", RpcOption, None),
            ("as_json", JsonOption, False),
            ("context", typer.Context, inspect.Parameter.empty),
        )
    ]

    def command(**options: Any) -> None:
        context: typer.Context = options.pop("context")
        named = connection_settings(
            *(options.pop(name) for name in ("network", "deployment", "rpc"))
        )
        before = context.find_object(ConnectionSettings) or ConnectionSettings()
        printer = Printer(as_json=options.pop("as_json"))
        session = Session(printer, named.or_else(before))
        ended_by_errors(printer, lambda: function(session, **options))

    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = signature.replace(parameters=keywords + shared)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in keywords + shared}
    return command


def ended_by_errors(printer: Printer, action: Callable[[], None]) -> None:
    """Run `action`; errors become one sentence on stderr, an object with `--json`, and an exit
    code.
    """
    try:
        action()
    except TeeTeeError as error:
        _report(printer, error.error_name, str(error), isinstance(error, Retryable))
        raise typer.Exit(TEMPORARY if isinstance(error, Retryable) else FAILED) from None
    except KeyboardInterrupt:
        _report(printer, "Interrupted", "Interrupted.", True)
        raise typer.Exit(INTERRUPTED) from None
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:
        # A fault of ours. The message of a foreign error may hold anything, a prompt too: only its
        # place is shown.
        if os.environ.get(DEBUG_VARIABLE):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = (
            f"TeeTee has a fault: {type(error).__name__} in {Path(place.filename).name}, line "
            f"{place.lineno}. Please report it; {DEBUG_VARIABLE}=1 shows the whole story."
        )
        _report(printer, type(error).__name__, text, False)
        raise typer.Exit(FAILED) from None


def _report(printer: Printer, name: str, message: str, retryable: bool) -> None:
    printer.fail(message)
    printer.result({"error": {"name": name, "message": message, "retryable": retryable}})

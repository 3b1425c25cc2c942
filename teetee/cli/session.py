# SPDX-License-Identifier: Apache-2.0
"""What every command shares: the chain, the wallet, the output, and how an error ends the process.

exit 0    done
     1    a failed check, or an error that a retry does not fix
     2    wrong usage
     75   an error that may pass by itself (EX_TEMPFAIL)
    130   interrupted
    141   the program that reads the output has ended
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from teetee.cli.network import ConnectionSettings, QuoteSettings
from teetee.cli.options import (
    AcceptTcbOption,
    CollateralOption,
    DeploymentOption,
    JsonOption,
    NetworkOption,
    PccsOption,
    QuorumOption,
    RpcOption,
    SkipQuoteCheckOption,
)
from teetee.cli.output.help_text import unwrapped
from teetee.cli.output.printer import Printer
from teetee.errors import Retryable, TeeTeeError
from teetee.standard_streams import OutputLost

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from teetee.chain.errors import NodesDisagree
    from teetee.chain.transactions.sender import TransactionSender
    from teetee.client.contracts import Contracts

FAILED, TEMPORARY, INTERRUPTED = 1, 75, 130
DEBUG_VARIABLE = "TEETEE_DEBUG"
POLL_SECONDS, LOCAL_POLL_SECONDS = 1.0, 0.2
CONNECTION_OPTIONS = ("network", "deployment", "rpc", "quorum")
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}

Command = Callable[..., None]


@dataclass
class Session:
    """One run of one command."""

    printer: Printer
    connection: ConnectionSettings
    _has_warned: bool = False

    def account(self, path: Path | None) -> LocalAccount:
        """The wallet, from keystore or environment."""
        from teetee.client import keystore

        return keystore.load_account(path, os.environ, self._ask_passphrase)

    def address(self, path: Path | None) -> str:
        """The wallet's address. Asks for a passphrase only if the keystore does not name it."""
        from teetee.client import keystore

        return keystore.find_address(path, os.environ, self._ask_passphrase)[0]

    @cached_property
    def contracts(self) -> Contracts:
        """The network's contracts, connected on first use."""
        with self.printer.waiting("Connecting to the chain…"):
            return self.connection.connect(self._warn_of_disagreement)

    def sender(self, account: LocalAccount) -> TransactionSender:
        """Sends that wallet's transactions."""
        from teetee.chain.transactions.sender import TransactionSender
        from teetee.client.requests.wallet_turn import wallet_turn

        return TransactionSender(
            self.contracts.connection,
            account,
            poll_seconds=self.poll_seconds,
            turn=wallet_turn(self.contracts.deployment.chain_id, str(account.address)),
        )

    @property
    def poll_seconds(self) -> float:
        """Seconds between two reads; a local chain has no block time."""
        from teetee.chain.deployment import LOCAL_NETWORK

        is_local = self.contracts.deployment.network == LOCAL_NETWORK
        return LOCAL_POLL_SECONDS if is_local else POLL_SECONDS

    def _warn_of_disagreement(self, error: NodesDisagree) -> None:
        """Once; what fewer than enough nodes say ends the command by itself."""
        if self._has_warned:
            return
        self._has_warned = True
        shown = "; ".join(f"{url}: {answer}" for url, answer in error.answers.items())
        self.printer.warn(f"An Ethereum node contradicts the others on {error.what} ({shown}).")

    def _ask_passphrase(self, path: str) -> str:
        return ask_passphrase(self.printer, f"Passphrase of {path}", path)


def ask_passphrase(printer: Printer, text: str, path: str, *, twice: bool = False) -> str:
    """Ask on the terminal. Raises `NoPassphrase` if there is none."""
    from teetee.client.wallet_file_errors import NoPassphrase

    if printer.as_json or not os.isatty(0):
        raise NoPassphrase(path)
    answer: str = typer.prompt(text, hide_input=True, confirmation_prompt=twice, err=True)
    return answer


def command_app(**attributes: Any) -> typer.Typer:
    """A command or a group of commands, to be registered in `teetee.cli.app`."""
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings=CONTEXT_SETTINGS,
        **attributes,
    )


def connection_settings(
    network: str | None,
    deployment: Path | None,
    rpc: list[str] | None,
    quorum: int | None,
) -> ConnectionSettings:
    """The settings of the options as typer passes them; one text may hold several URLs."""
    urls = [url.strip() for text in rpc or () for url in text.split(",")]
    return ConnectionSettings(network, deployment, tuple(url for url in urls if url), quorum)


def typed_connection(context: typer.Context, **values: Any) -> ConnectionSettings:
    """The settings that were typed with this command, without those of the environment."""
    sources = {name: context.get_parameter_source(name) for name in values}
    typed = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    return connection_settings(
        **{name: value if name in typed else None for name, value in values.items()}
    )


def with_session(function: Command) -> Command:
    """Turn `function(session, …options)` into a command with the options of the connection, whose
    errors become one sentence.
    """
    shared = [
        _keyword("network", NetworkOption, None),
        _keyword("deployment", DeploymentOption, None),
        _keyword("rpc", RpcOption, None),
        _keyword("quorum", QuorumOption, None),
        _keyword("as_json", JsonOption, False),
        _keyword("context", typer.Context, inspect.Parameter.empty),
    ]

    def command(**options: Any) -> None:
        context: typer.Context = options.pop("context")
        named = {name: options.pop(name) for name in CONNECTION_OPTIONS}
        before = context.find_object(ConnectionSettings) or ConnectionSettings()
        printer = Printer(as_json=options.pop("as_json"))
        session = Session(printer, typed_connection(context, **named).or_else(before))
        ended_by_errors(printer, lambda: function(session, **options))

    return _with_signature(command, function, _own_parameters(function)[1:], shared)


def with_printer(function: Command) -> Command:
    """Turn `function(printer, …options)` into a command that needs no chain."""

    def command(**options: Any) -> None:
        printer = Printer(as_json=options.pop("as_json"))
        ended_by_errors(printer, lambda: function(printer, **options))

    shared = [_keyword("as_json", JsonOption, False)]
    return _with_signature(command, function, _own_parameters(function)[1:], shared)


def with_quote_settings(function: Command) -> Command:
    """Replace the parameter `quotes: QuoteSettings` by the options that make it. Stands below
    `with_session`.
    """
    return _with_quote_options(function, [])


def with_skippable_quote_settings(function: Command) -> Command:
    """The same with `--skip-quote-check`."""
    return _with_quote_options(function, [_keyword("skip", SkipQuoteCheckOption, False)])


def _with_quote_options(function: Command, more: list[inspect.Parameter]) -> Command:
    options = [
        _keyword("pccs", PccsOption, None),
        _keyword("collateral", CollateralOption, None),
        _keyword("accept_tcb", AcceptTcbOption, None),
        *more,
    ]

    def command(*arguments: Any, **given: Any) -> None:
        accepted = tuple(given.pop("accept_tcb") or ())
        quotes = QuoteSettings(
            given.pop("pccs"), given.pop("collateral"), accepted, given.pop("skip", False)
        )
        function(*arguments, **given, quotes=quotes)

    own = [each for each in _own_parameters(function) if each.name != "quotes"]
    return _with_signature(command, function, own, options)


def ended_by_errors(printer: Printer, action: Callable[[], None]) -> None:
    """Run `action`. An error becomes one sentence on stderr, an object with `--json`, and an exit
    code.
    """
    try:
        action()
    except TeeTeeError as error:
        _report(printer, error.error_name, _with_notes(error), isinstance(error, Retryable))
        raise typer.Exit(_exit_status(error)) from None
    except KeyboardInterrupt as error:
        message = _with_notes(error, "Interrupted.")
        printer.say(message, "warn")
        _report_json(printer, "Interrupted", message, True)
        raise typer.Exit(INTERRUPTED) from None
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except OSError as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        _report(printer, type(error).__name__, _with_notes(error, _refused_by_system(error)), False)
        raise typer.Exit(FAILED) from None
    except Exception as error:
        # A bug. The message of a foreign error may hold anything, a prompt too: only its place is
        # shown.
        if os.environ.get(DEBUG_VARIABLE):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = (
            f"TeeTee has a bug: {type(error).__name__} in {Path(place.filename).name}, line "
            f"{place.lineno}. Please report it; {DEBUG_VARIABLE}=1 shows the whole traceback."
        )
        _report(printer, type(error).__name__, _with_notes(error, text), False)
        raise typer.Exit(FAILED) from None


def _exit_status(error: TeeTeeError) -> int:
    if isinstance(error, OutputLost) and error.status is not None:
        return error.status
    return TEMPORARY if isinstance(error, Retryable) else FAILED


def _with_notes(error: BaseException, text: str = "") -> str:
    """The message, and what was added on its way up, such as how to continue a paid request."""
    return " ".join([text or str(error), *getattr(error, "__notes__", ())])


def _refused_by_system(error: OSError) -> str:
    place = f" for {error.filename}" if error.filename else ""
    return (
        f"The system refused a file or a connection{place}: {error.strerror or error}. Check its "
        "permissions and the free space of its disk."
    )


def _report(printer: Printer, name: str, message: str, retryable: bool) -> None:
    printer.fail(message)
    _report_json(printer, name, message, retryable)


def _report_json(printer: Printer, name: str, message: str, retryable: bool) -> None:
    with suppress(OutputLost):
        printer.result({"error": {"name": name, "message": message, "retryable": retryable}})


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, annotation=annotation, default=default)


def _own_parameters(function: Command) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def _with_signature(
    command: Command,
    function: Command,
    own: list[inspect.Parameter],
    shared: list[inspect.Parameter],
) -> Command:
    """What typer reads: name, help text, and parameters."""
    first = [each for each in own if each.name in ("session", "printer")]
    rest = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own if each not in first]
    parameters = [*first, *rest, *shared]
    command.__name__, command.__doc__ = function.__name__, unwrapped(function.__doc__ or "")
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command

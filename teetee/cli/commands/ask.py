# SPDX-License-Identifier: Apache-2.0
"""`teetee ask` and `teetee resume`: their options."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teetee.cli.network import QuoteSettings
from teetee.cli.options import KeystoreOption, parse_number
from teetee.cli.output.help_text import epilog
from teetee.cli.session import (
    Session,
    command_app,
    with_session,
    with_skippable_quote_settings,
)
from teetee.client.amounts import parse_amount
from teetee.client.requests.request_spec import (
    DEFAULT_DEADLINE_SECONDS,
    DEFAULT_MAX_TOKENS,
    RequestSpec,
)
from teetee.protocol.prompt import MAX_SEED

if TYPE_CHECKING:
    from teetee.protocol.prompt import TemplateTokens

ask_app = command_app()
resume_app = command_app()

ASK_EPILOG = epilog(
    'teetee ask "Why is the sky blue?"',
    'cat letter.txt | teetee ask - --system "Translate into French."',
    'teetee ask "Name a colour." --temperature 1 --max-price 0.01 --json',
    'teetee ask "Why?" --recipients 3          two more entries stand by',
    'teetee ask "Why?" --allowance 4           free, for the host of shard 4',
    notes="""
The answer goes to stdout, everything else to stderr. If you interrupt it, the request goes on:
`teetee resume` continues.
""",
)
RESUME_EPILOG = epilog(
    "teetee resume               lists the requests to continue",
    "teetee resume 17            waits for request 17 and prints its answer",
)
SAMPLING, PRICE, SHARDS, OUTPUT = "Sampling", "Price and time", "Shards", "Output"

StreamOption = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help='Print the answer while it is generated; with --json as lines {"text": …} before the '
        "result. --no-stream opens no stream. Default: stream to a terminal.",
        rich_help_panel=OUTPUT,
    ),
]
VerifyOption = Annotated[
    bool | None,
    typer.Option(
        "--verify/--no-verify",
        help="Print every check of the answer, or skip the checks. Default: check, and print one "
        "line.",
        rich_help_panel=OUTPUT,
    ),
]


@ask_app.command(epilog=ASK_EPILOG)
@with_session
@with_skippable_quote_settings
def ask(
    session: Session,
    quotes: QuoteSettings,
    prompt: Annotated[
        str, typer.Argument(help="The question. A dash (-) reads it from stdin.", metavar="PROMPT")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Number or name of the model. Required if there are several.",
        ),
    ] = None,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="System message, placed before the question.")
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, max=65_535, metavar="N", help="Maximum output tokens.")
    ] = DEFAULT_MAX_TOKENS,
    temperature: Annotated[
        float,
        typer.Option(
            min=0,
            max=2,
            metavar="X",
            help="Randomness of the answer; 0 always picks the likeliest token.",
            rich_help_panel=SAMPLING,
        ),
    ] = 0.0,
    top_p: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="X",
            help="Sample from the likeliest tokens whose probabilities add up to this.",
            rich_help_panel=SAMPLING,
        ),
    ] = 1.0,
    top_k: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Sample from this many of the likeliest tokens; 0 means all.",
            rich_help_panel=SAMPLING,
        ),
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_SEED,
            metavar="N",
            help="Seed of the sampling. Default: derived from the request's secret.",
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="End the answer before this text. Repeatable.",
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    max_price: Annotated[
        str | None,
        typer.Option(
            metavar="AMOUNT",
            help="Largest deposit to pay, in TEE (0.01) or wei ('1500 wei'). Default: no limit.",
            rich_help_panel=PRICE,
        ),
    ] = None,
    max_input_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=(1 << 24) - 1,
            metavar="N",
            help="Maximum input tokens to pay for; public. Default: enough for the prompt, rounded"
            " up so that it does not tell its length.",
            rich_help_panel=PRICE,
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The model's published manifest, for the tokens that its chat template adds. "
            "Default: ask the entry.",
            rich_help_panel=PRICE,
        ),
    ] = None,
    deadline: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS",
            help="Seconds until the answer is due; later, the deposit is refunded. The escrow sets "
            f"the limits, usually 15 to 3600. Default: {DEFAULT_DEADLINE_SECONDS}.",
            rich_help_panel=PRICE,
        ),
    ] = None,
    recipients: Annotated[
        int,
        typer.Option(
            min=1,
            max=4,
            metavar="N",
            help="Entry shards that can decrypt the prompt. One answers, the others take over if "
            "it fails.",
            rich_help_panel=PRICE,
        ),
    ] = 1,
    only_shard: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="SHARD",
            help="Let only these shards compute, as entry or stage. Repeatable.",
            rich_help_panel=SHARDS,
        ),
    ] = None,
    avoid_shard: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="SHARD",
            help="Do not let this shard compute. Repeatable.",
            rich_help_panel=SHARDS,
        ),
    ] = None,
    allowance: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="SHARD",
            help="Ask for free, on the allowance that you have as the host of this shard.",
            rich_help_panel=PRICE,
        ),
    ] = None,
    stream: StreamOption = None,
    verify: VerifyOption = None,
    keystore: KeystoreOption = None,
) -> None:
    """Ask a model a question and pay for the answer.

    Checks the enclaves, encrypts the question for them, pays a deposit, waits, decrypts and
    verifies the answer. What is not used of the deposit is refunded.
    """
    spec = RequestSpec(
        prompt=_read_prompt(prompt),
        system=None if system is None else _as_typed(system),
        model=model,
        max_tokens=max_tokens,
        max_input_tokens=max_input_tokens,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        stop=tuple(_as_typed(each) for each in stop or ()),
        deadline_seconds=deadline,
        max_price=None if max_price is None else parse_amount(max_price),
        recipients=recipients,
        only_shards=tuple(only_shard or ()),
        avoid_shards=tuple(avoid_shard or ()),
        allowance_shard=allowance,
        template=None if manifest is None else _read_template(manifest),
    )
    spec.to_prompt()  # an invalid question is reported before the wallet and the chain are opened

    account = session.account(keystore)
    from teetee.cli.commands.request_flow import ask_context, ask_question

    ask_question(ask_context(session, account, quotes, stream, verify), spec)


@resume_app.command(epilog=RESUME_EPILOG)
@with_session
@with_skippable_quote_settings
def resume(
    session: Session,
    quotes: QuoteSettings,
    request: Annotated[
        int | None,
        typer.Argument(
            help="Number of the request. Default: list the requests that can be continued.",
            metavar="REQUEST",
            parser=parse_number,
        ),
    ] = None,
    stream: StreamOption = None,
    verify: VerifyOption = None,
    keystore: KeystoreOption = None,
) -> None:
    """List unread requests, or continue one.

    A request goes on when the command that sent it is interrupted. Its secret stays on this
    machine, encrypted, until the answer is read.
    """
    account = session.account(keystore)
    from teetee.cli.commands.request_flow import ask_context, follow_request
    from teetee.cli.commands.unread_requests import list_unread

    context = ask_context(session, account, quotes, stream, verify)
    if request is None:
        list_unread(session, context.client)
    else:
        follow_request(context, context.client.resume(request), None)


def _as_typed(argument: str) -> str:
    """UTF-8 that was typed, also where Python could not read it by the locale (LC_ALL=C)."""
    if argument.isascii() or not any("\udc80" <= each <= "\udcff" for each in argument):
        return argument
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:  # the prompt's own check names it
        return argument


def _read_template(path: Path) -> TemplateTokens:
    """Raises `ManifestInvalid`."""
    from teetee.errors import ManifestInvalid
    from teetee.protocol.manifest import ModelManifest

    try:
        template = ModelManifest.from_json(path.read_text(encoding="utf-8")).template_tokens
    except (OSError, UnicodeDecodeError):
        raise ManifestInvalid(f"the file {path}", "cannot be read") from None
    if template is None:
        raise ManifestInvalid("template_tokens", "is missing, which `digest` has added since")
    return template


def _read_prompt(prompt: str) -> str:
    from teetee.client.errors import InvalidQuestion

    if prompt != "-":
        return _as_typed(prompt)
    if sys.stdin is None:
        raise InvalidQuestion("stdin is closed", "Pipe the question in, or type it.")
    try:
        text = sys.stdin.buffer.read().decode()  # UTF-8, whatever the locale says
    except UnicodeDecodeError:
        raise InvalidQuestion("stdin is not UTF-8 text", "Convert it first.") from None
    except OSError as error:
        reason = f"stdin cannot be read ({error.strerror})"
        raise InvalidQuestion(reason, "Pipe the question in, or type it.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")

# SPDX-License-Identifier: Apache-2.0
"""`teetee ask` and `teetee resume`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from teetee.cli.network import QuoteSettings
from teetee.cli.options import (
    AcceptTcbOption,
    CollateralOption,
    KeystoreOption,
    PccsOption,
    SkipQuoteCheckOption,
)
from teetee.cli.output import outcome_view
from teetee.cli.output.verification_view import print_audit, print_verdict
from teetee.cli.session import FAILED, Session, with_session
from teetee.client.amounts import format_amount, parse_amount
from teetee.client.client import Client
from teetee.client.errors import InvalidQuestion
from teetee.client.requests.await_answer import Answered, Outcome
from teetee.client.requests.open_request import OpenRequest
from teetee.client.requests.pending_requests import PendingRequest, PendingRequests
from teetee.client.requests.quote_price import Offer
from teetee.client.requests.request_spec import (
    DEFAULT_DEADLINE_SECONDS,
    DEFAULT_MAX_TOKENS,
    RequestSpec,
)
from teetee.client.verification.report import VerificationReport
from teetee.errors import Retryable

ASK_EPILOG = """
  $ teetee ask "Why is the sky blue?"

  $ cat letter.txt | teetee ask - --system "Translate into French."

  $ teetee ask "Name a colour." --temperature 1 --max-price 0.01 --json

  $ teetee ask "Why?" --recipients 3          two more entries stand by

  $ teetee ask "Why?" --allowance 4           free, for the host of shard 4

The answer goes to stdout, everything else to stderr.
Interrupted? The request goes on: see `teetee resume`.
"""
RESUME_EPILOG = """
  $ teetee resume               lists what was not read yet

  $ teetee resume 17            waits for request 17 and prints its answer
"""

StreamOption = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help='Show the answer while it is made, with --json as lines {"text": …} before the '
        "result; or open no stream. Default: show it on a terminal.",
    ),
]
VerifyOption = Annotated[
    bool | None,
    typer.Option(
        "--verify/--no-verify",
        help="Show every check of the audit, or make none. Default: make them, show one line.",
    ),
]


@dataclass(frozen=True)
class Asking:
    """What an asking command works with."""

    session: Session
    client: Client
    quotes_judged: bool
    stream: bool | None
    verify: bool | None


@with_session
def ask(
    session: Session,
    prompt: Annotated[str, typer.Argument(help="The question; - reads it from stdin.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Number or name; needed if there are several."),
    ] = None,
    system: Annotated[str | None, typer.Option(help="A system message.")] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, max=65_535, help="Most tokens of the answer.")
    ] = DEFAULT_MAX_TOKENS,
    max_input_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, max=(1 << 24) - 1, help="Most tokens paid for. Default: enough for the prompt."
        ),
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, help="0: always the likeliest token.")
    ] = 0.0,
    top_p: Annotated[float, typer.Option(min=0, max=1)] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="0: no limit.")] = 0,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Default: from the request's secret.")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; may be repeated.")
    ] = None,
    deadline: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"Seconds to answer or refund. Default: {DEFAULT_DEADLINE_SECONDS}."
        ),
    ] = None,
    max_price: Annotated[
        str | None, typer.Option(help="Largest deposit, in TEE, or like '1500 wei'.")
    ] = None,
    recipients: Annotated[
        int, typer.Option(min=1, max=4, help="Entries that can open the prompt; one starts.")
    ] = 1,
    allowance: Annotated[
        int | None,
        typer.Option(min=1, metavar="SHARD", help="Ask for free, as the host of this shard."),
    ] = None,
    stream: StreamOption = None,
    verify: VerifyOption = None,
    keystore: KeystoreOption = None,
    pccs: PccsOption = None,
    collateral: CollateralOption = None,
    accept_tcb: AcceptTcbOption = None,
    skip_quote_check: SkipQuoteCheckOption = False,
) -> None:
    """Ask a question: checks the enclaves, pays, waits, decrypts, prints, verifies."""
    question = RequestSpec(
        prompt=_read_prompt(prompt),
        system=system,
        model=model,
        max_tokens=max_tokens,
        max_input_tokens=max_input_tokens,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        stop=tuple(stop or ()),
        deadline_seconds=deadline,
        max_price=None if max_price is None else parse_amount(max_price),
        recipients=recipients,
        allowance_shard=allowance,
    )
    question.to_prompt()  # a fault in the question needs no wallet and no chain to be told
    settings = QuoteSettings(pccs, collateral, tuple(accept_tcb or ()))
    asking = _asking(session, keystore, settings, skip_quote_check, stream, verify)
    _ask(asking, question)


@with_session
def resume(
    session: Session,
    request: Annotated[
        int | None, typer.Argument(min=1, help="The request's number.", metavar="[REQUEST]")
    ] = None,
    stream: StreamOption = None,
    verify: VerifyOption = None,
    keystore: KeystoreOption = None,
    pccs: PccsOption = None,
    collateral: CollateralOption = None,
    accept_tcb: AcceptTcbOption = None,
    skip_quote_check: SkipQuoteCheckOption = False,
) -> None:
    """Go on with a request whose answer was not read yet; without a number, list them."""
    settings = QuoteSettings(pccs, collateral, tuple(accept_tcb or ()))
    asking = _asking(session, keystore, settings, skip_quote_check, stream, verify)
    if request is None:
        _list_unfinished(asking)
    else:
        _follow(asking, asking.client.resume(request), None)


def _asking(
    session: Session,
    keystore: Any,
    settings: QuoteSettings,
    skip_quote_check: bool,
    stream: bool | None,
    verify: bool | None,
) -> Asking:
    account = session.account(keystore)
    contracts = session.contracts
    judge = None if skip_quote_check else settings.judge(contracts)
    client = Client(
        contracts,
        account,
        quotes=judge,
        verification_quotes=settings.strict_judge(contracts),
        pending=PendingRequests(),
        poll_seconds=session.poll_seconds,
    )
    return Asking(session, client, judge is not None, stream, verify)


def _ask(asking: Asking, question: RequestSpec) -> None:
    printer = asking.session.printer
    if not asking.quotes_judged:
        printer.warn(
            "No quote is judged here, so TCB levels and revocations stay unknown: "
            "the chain's own check is trusted. --pccs names a source of collateral."
        )
    with printer.waiting("Checking the shards…"):
        offer = asking.client.quote_price(question, printer.warn)
    _print_offer(asking, offer)
    with printer.waiting("Paying and asking…"):
        opened = asking.client.open_request(offer)
    gas_used = opened.sent.gas_used if opened.sent else None
    printer.say(f"request {opened.request_id} is on the chain", "dim")
    _follow(asking, opened, gas_used)


def _follow(asking: Asking, opened: OpenRequest, gas_used: int | None) -> None:
    printer = asking.session.printer
    shown: list[str] = []
    try:
        outcome = asking.client.await_answer(
            opened, on_text=_on_text(asking, shown), on_warning=printer.warn
        )
    except (KeyboardInterrupt, Retryable):
        printer.say(
            f"Request {opened.request_id} goes on without you. "
            f"`teetee resume {opened.request_id}` continues."
        )
        raise
    if isinstance(outcome, Answered) and not printer.as_json:
        _print_answer(asking, outcome.answer.text, "".join(shown))
    audit = _audit(asking, opened.request_id)
    printer.result(outcome_view.outcome_json(outcome, audit, gas_used))
    asking.client.forget(opened)
    outcome_view.print_money(printer, outcome)
    _finish(asking, outcome, audit)


def _on_text(asking: Asking, shown: list[str]) -> Callable[[str], None] | None:
    """What is done with the answer's pieces; `shown` collects those which went to the person."""
    printer = asking.session.printer
    if asking.stream is False:
        return None
    if printer.as_json and asking.stream:
        return lambda text: printer.event({"text": text})
    if not printer.live and not asking.stream:
        return lambda _: None  # compared with the chain's answer all the same

    def show(text: str) -> None:
        shown.append(text)
        printer.piece(text)

    return show


def _print_answer(asking: Asking, answer: str, shown: str) -> None:
    printer = asking.session.printer
    if shown and not answer.startswith(shown):
        printer.warn("The stream and the chain differ. This is the chain's answer:")
        shown = ""
    printer.piece(answer[len(shown) :])
    if not answer.endswith("\n"):
        printer.piece("\n")


def _audit(asking: Asking, request_id: int) -> VerificationReport | None:
    if asking.verify is False:
        return None
    with asking.session.printer.waiting("Verifying…"):
        return asking.client.verify(request_id)


def _finish(asking: Asking, outcome: Outcome, audit: VerificationReport | None) -> None:
    printer = asking.session.printer
    code = outcome_view.exit_code(outcome)
    if audit is not None and not printer.as_json:
        (print_audit if asking.verify else print_verdict)(printer, audit)
    # Who chose to trust the chain's check of the quotes gets no error for want of another.
    failures = [] if audit is None else list(audit.failures)
    if not asking.quotes_judged:
        failures = [check for check in failures if not check.name.startswith("quote of ")]
    if failures:
        raise typer.Exit(code or FAILED)
    if code:
        raise typer.Exit(code)


def _print_offer(asking: Asking, offer: Offer) -> None:
    shards = ", ".join(str(shard.shard_id) for shard in offer.recipients)
    price = (
        f"free, on the allowance of shard {offer.spec.allowance_shard}"
        if offer.spec.allowance_shard is not None
        else f"deposit {format_amount(offer.terms.deposit)}"
    )
    asking.session.printer.say(
        f"{offer.model.name}: entry {shards}; {price}; answer or refund within "
        f"{offer.terms.window_seconds} s",
        "dim",
    )


def _list_unfinished(asking: Asking) -> None:
    printer = asking.session.printer
    rows = [_unfinished(asking, pending) for pending in asking.client.pending_requests()]
    known = [row for row in rows if row is not None]
    printer.result(known)
    if printer.as_json:
        return
    if not known:
        printer.say("Nothing is waiting: every answer was read.")
        return
    printer.table(
        ("request", "status", "sealed under"),
        [
            (str(row["requestId"] or "not on the chain yet"), row["status"], row["clientNonce"])
            for row in known
        ],
    )


def _unfinished(asking: Asking, pending: PendingRequest) -> dict[str, Any] | None:
    nonce = f"0x{pending.client_nonce.hex()}"
    try:
        request_id = pending.request_id or asking.client.find_request_id(pending)
    except Retryable:
        return {"requestId": None, "status": "UNSEEN", "clientNonce": nonce}
    if request_id is None:
        return None
    request = asking.client.request(request_id)
    return {"requestId": request_id, "status": request.status.name, "clientNonce": nonce}


def _read_prompt(prompt: str) -> str:
    if prompt != "-":
        return prompt
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise InvalidQuestion("stdin is not UTF-8 text", "Convert it first.") from None

# SPDX-License-Identifier: Apache-2.0
"""What `ask` and `resume` do: check, pay, wait, print, verify. Imported when one of them runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import typer
from eth_account.signers.local import LocalAccount

from teetee.chain.types.requests import RequestDeclined
from teetee.cli.network import QuoteSettings
from teetee.cli.output.formats import plural
from teetee.cli.output.outcome_view import RETRY_MAY_HELP, outcome_json, print_outcome
from teetee.cli.output.verification_view import print_report, verdict
from teetee.cli.session import FAILED, TEMPORARY, Session
from teetee.client.amounts import round_amount
from teetee.client.client import Client
from teetee.client.requests.await_answer import Answered, Outcome
from teetee.client.requests.offer import Offer
from teetee.client.requests.open_request import OpenRequest
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.client.times import format_seconds
from teetee.client.verification.report import VerificationReport
from teetee.client.wallet_file_errors import FileNotWritten
from teetee.standard_streams import OutputLost


@dataclass(frozen=True)
class AskContext:
    """The session and the choices that `ask` and `resume` share."""

    session: Session
    client: Client
    quotes_checked: bool
    stream: bool | None
    verify: bool | None


@dataclass
class AnswerProgress:
    """What is known while an answer is awaited; `deadline` in Unix seconds."""

    deadline: int
    shown: list[str] = field(default_factory=list, repr=False)
    """The text that the user has seen."""
    characters: int = 0
    lost: OutputLost | None = None
    """Set when the output took no more text; the stream's thread cannot raise it."""

    def describe(self) -> str:
        """For the spinner."""
        left = format_seconds(max(0, self.deadline - int(time.time())))
        if not self.characters:
            return f"Waiting for the first word… {left} left"
        return f"Receiving the answer… {plural(self.characters, 'character')} so far, {left} left"


def ask_context(
    session: Session,
    account: LocalAccount,
    quotes: QuoteSettings,
    stream: bool | None,
    verify: bool | None,
) -> AskContext:
    """Connect, and say how JSON is to be printed."""
    session.printer.json_lines = bool(stream)
    contracts = session.contracts
    quote_check = quotes.quote_check(contracts)
    client = Client(
        contracts,
        account,
        quotes=quote_check,
        verification_quotes=quotes.strict_quote_check(contracts),
        pending=PendingRequests(),
        poll_seconds=session.poll_seconds,
    )
    return AskContext(session, client, quote_check is not None, stream, verify)


def ask_question(context: AskContext, spec: RequestSpec) -> None:
    """Check the shards, pay, and follow the request to its end."""
    printer = context.session.printer
    if not context.quotes_checked:
        printer.warn(
            "Quotes are not checked here: TCB levels and revocations stay unknown, and the chain's "
            "own check is trusted. --pccs names a source of collateral."
        )
    with printer.waiting("Reading prices and shards…") as progress:
        offer = context.client.prepare_offer(
            spec,
            printer.warn,
            on_shard=lambda shard, number, count: progress(
                f"Checking the enclave of shard {shard} ({number} of {count})…"
            ),
        )
    _print_offer(context, offer)
    with printer.waiting("Paying and sending the encrypted question…"):
        opened = context.client.open_request(offer, printer.warn)
    gas_used = opened.sent.gas_used if opened.sent else None
    printer.say(f"request {opened.request_id} is on the chain", "dim")
    follow_request(context, opened, gas_used, spec.max_tokens)


def follow_request(
    context: AskContext, opened: OpenRequest, gas_used: int | None, max_tokens: int | None = None
) -> None:
    """Wait for the end, print it, verify it, and forget the secret. `max_tokens`: None: the chain
    alone is known, and its limit is rounded up.
    """
    printer, number = context.session.printer, int(opened.request_id)
    progress = AnswerProgress(opened.pending.deadline)
    try:
        with printer.waiting(progress.describe):
            outcome = context.client.await_answer(
                opened, on_text=_on_text(context, progress), on_warning=printer.warn
            )
        if progress.lost is not None:
            raise progress.lost
        if isinstance(outcome, Answered) and not printer.as_json:
            _print_answer(context, outcome.answer.text, "".join(progress.shown))
        report = _verify(context, number)
        printer.result(outcome_json(outcome, report, gas_used))
    except BaseException as error:
        error.add_note(f"Request {number} is on the chain: `teetee resume {number}` continues it.")
        raise
    _forget(context, opened)
    _print_end(context, outcome, report, max_tokens)
    if code := _exit_code(context, outcome, report):
        raise typer.Exit(code)


def _forget(context: AskContext, opened: OpenRequest) -> None:
    try:
        context.client.forget(opened)
    except FileNotWritten as error:
        context.session.printer.warn(f"The answer was read, but its secret stays on disk: {error}")


def _on_text(context: AskContext, progress: AnswerProgress) -> Callable[[str], None] | None:
    """What to do with the streamed text; None: open no stream."""
    printer = context.session.printer
    if context.stream is False:
        return None
    is_shown = not printer.as_json and (printer.live or context.stream is True)

    def receive(text: str) -> None:
        progress.characters += len(text)
        try:
            if printer.as_json and context.stream:
                printer.event({"text": text})
            elif is_shown:
                progress.shown.append(text)
                printer.piece(text)
        except OutputLost as lost:
            progress.lost = lost

    return receive


def _print_offer(context: AskContext, offer: Offer) -> None:
    entries = " and ".join(str(shard.shard_id) for shard in offer.recipients)
    price = f"deposit {round_amount(offer.terms.deposit)}"
    if offer.spec.allowance_shard is not None:
        price = f"free, on the allowance of shard {offer.spec.allowance_shard}"
    context.session.printer.say(
        f"{offer.model.name} by entry shard {entries}; {price}; answer or refund within "
        f"{format_seconds(offer.terms.window_seconds)}",
        "dim",
    )


def _print_answer(context: AskContext, answer: str, shown: str) -> None:
    printer = context.session.printer
    if shown and not answer.startswith(shown):
        printer.warn("The streamed text and the chain's answer differ. This is the chain's answer:")
        shown = ""
    printer.piece(answer[len(shown) :])
    if not answer.endswith("\n"):
        printer.piece("\n")


def _verify(context: AskContext, request_id: int) -> VerificationReport | None:
    if context.verify is False:
        return None
    with context.session.printer.waiting(f"Verifying request {request_id}…"):
        return context.client.verify(request_id)


def _print_end(
    context: AskContext,
    outcome: Outcome,
    report: VerificationReport | None,
    max_tokens: int | None,
) -> None:
    """The last line says what matters most: the verdict on an answer, or why there is none."""
    printer = context.session.printer
    if not isinstance(outcome, Answered):
        if report is not None and not printer.as_json:
            _print_verdict(context, report, "dim")
        print_outcome(printer, outcome, max_tokens)
        return
    print_outcome(printer, outcome, max_tokens)
    if report is not None and not printer.as_json:
        _print_verdict(context, report, "good")


def _print_verdict(context: AskContext, report: VerificationReport, style: str) -> None:
    printer = context.session.printer
    if context.verify:
        print_report(printer, report, everything=True)
        return
    if report.verified:
        text = verdict(report)
        printer.say(text if style == "good" else text.removeprefix("✓ "), style)
        return
    printer.say(verdict(report), "bad")
    for check in report.failures:
        printer.say(f"  {check.name}: {check.detail}", "bad")


def _exit_code(context: AskContext, outcome: Outcome, report: VerificationReport | None) -> int:
    """0 for a verified answer, 75 if asking again may help, else 1."""
    if not isinstance(outcome, Answered):
        for_good = (
            isinstance(outcome.ended, RequestDeclined)
            and outcome.ended.reason not in RETRY_MAY_HELP
        )
        return FAILED if for_good else TEMPORARY
    failures = [] if report is None else list(report.failures)
    if not context.quotes_checked:
        # The user chose to trust the chain's check of the quotes.
        failures = [check for check in failures if not check.name.startswith("quote of ")]
    return FAILED if failures else 0

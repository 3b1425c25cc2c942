# SPDX-License-Identifier: Apache-2.0
"""A verification report as a person reads it: the verdict first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from teetee.cli.output.formats import format_layers, plural
from teetee.cli.output.printer import Printer
from teetee.client.amounts import round_amount

if TYPE_CHECKING:
    from teetee.client.verification.checklist import Check
    from teetee.client.verification.report import VerificationReport

# The beginnings of the names of checks, by what they are about. The first that fits counts.
TOPICS = {
    "enclaves": (
        *("enrolment", "attestation", "weights", "on-chain TCB status"),
        *("quote", "report data", "image"),
    ),
    "path and receipts": ("path", "receipt", "link", "last receipt"),
    "answer": ("answer hash", "tokens", "usage", "settlement"),
    "money": ("deposit", "cost", "payouts", "fee", "royalty", "refund", "penalty"),
    "request": ("",),
}


def print_report(printer: Printer, report: VerificationReport, *, everything: bool) -> None:
    """The verdict, what holds, what does not, and who earned what; `everything`: every check."""
    printer.line(verdict(report), "title")
    for check in report.failures:
        printer.line(f"  ✗ {check.name}: {check.detail}")
    if everything:
        rows = [("✓" if check.ok else "✗", check.name, check.detail) for check in report.checks]
        printer.table(("", "check", "detail"), rows, title="Checks", lead=2)
        _print_path(printer, report)
    else:
        printer.table(("", "checks of", ""), list(_topics(report)))
    _print_money(printer, report)


def verdict(report: VerificationReport) -> str:
    """One line."""
    count = len(report.checks)
    if not report.verified:
        return (
            f"✗ request {report.request_id} is not verified: "
            f"{len(report.failures)} of {plural(count, 'check')} failed"
        )
    stages = len(report.path)
    path = f", {plural(stages, 'attested stage')}" if stages else ""
    return f"✓ request {report.request_id} is verified: {plural(count, 'check')} passed{path}"


def _topics(report: VerificationReport) -> Iterator[tuple[str, str, str]]:
    by_topic: dict[str, list[Check]] = {topic: [] for topic in TOPICS}
    for check in report.checks:
        by_topic[topic_of(check.name)].append(check)
    for topic, checks in by_topic.items():
        if checks:
            passed = sum(check.ok for check in checks)
            mark = "✓" if passed == len(checks) else "✗"
            yield mark, topic, f"{passed} of {len(checks)}"


def topic_of(name: str) -> str:
    """The topic of a check, by its name."""
    return next(topic for topic, starts in TOPICS.items() if name.startswith(starts))


def _print_path(printer: Printer, report: VerificationReport) -> None:
    printer.table(
        ("shard", "layers", "TCB", "signer", "quote"),
        [
            (
                str(stage.shard_id),
                format_layers(stage.layers),
                stage.tcb_status or "✗ not accepted",
                stage.signer,
                f"0x{stage.quote_hash.hex()}",
            )
            for stage in report.path
        ],
        title="Path",
        lead=3,
    )


def _print_money(printer: Printer, report: VerificationReport) -> None:
    """Who earned what, and the rest of the deposit."""
    rows = [
        (
            f"shard {stage.shard_id} ({format_layers(stage.layers)})",
            round_amount(stage.payout),
            stage.host,
        )
        for stage in report.path
    ]
    if report.path:
        rows += [
            ("fee", round_amount(report.fee), ""),
            ("royalty", round_amount(report.royalty), ""),
        ]
    rows.append(("refund", round_amount(report.refund), ""))
    if report.penalty:
        rows.append(("penalty", round_amount(report.penalty), "from the primary entry's bond"))
    title = f"Payments from a deposit of {round_amount(report.deposit)}"
    printer.table(("to", "amount", "account"), rows, title=title)

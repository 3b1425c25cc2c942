# SPDX-License-Identifier: Apache-2.0
"""A verification report as a person reads it: the verdict first.

The wording of a check is where it is made: `teetee/client/verification/*_checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from teetee.cli.output.formats import plural, shard_names
from teetee.cli.output.printer import Printer
from teetee.client.amounts import round_amount

if TYPE_CHECKING:
    from teetee.client.verification.checklist import Check
    from teetee.client.verification.report import VerificationReport

# The beginnings of the names of checks, by what they are about. The first that fits counts.
TOPICS = {
    "enclaves": (
        *("enrolment", "attestation", "weights", "on-chain TCB status"),
        *("quote", "report data", "image", "model"),
    ),
    "path and receipts": ("path", "receipt", "link", "last receipt"),
    "answer": ("answer hash", "tokens", "usage", "settlement"),
    "money": ("deposit", "cost", "payouts", "fee", "royalty", "refund", "penalty"),
    "request": ("",),
}


def print_report(printer: Printer, report: VerificationReport, *, everything: bool) -> None:
    """The verdict, what holds, what does not, and who earned what; `everything`: every check."""
    printer.line(verdict(report), "title")
    for topic, checks in _by_topic(report):
        _print_topic(printer, topic, checks, everything=everything)
    if report.earlier_shards:
        printer.line(
            f"Runs of this request broke over {shard_names(report.earlier_shards)}: they may have"
            " had its hidden states, and were not paid."
        )
    if everything:
        _print_path(printer, report)
    _print_money(printer, report)
    if not everything:
        printer.say(f"`teetee verify {report.request_id} --all` shows every check.", "dim")


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


def _by_topic(report: VerificationReport) -> Iterator[tuple[str, list[Check]]]:
    by_topic: dict[str, list[Check]] = {topic: [] for topic in TOPICS}
    for check in report.checks:
        by_topic[topic_of(check.name)].append(check)
    return ((topic, checks) for topic, checks in by_topic.items() if checks)


def _print_topic(printer: Printer, topic: str, checks: list[Check], *, everything: bool) -> None:
    passed = sum(check.ok for check in checks)
    mark = "✓" if passed == len(checks) else "✗"
    printer.line(f"{mark} {topic}: {passed} of {plural(len(checks), 'check')} passed")
    for check in checks:
        if everything or not check.ok:
            printer.bullet(f"{'✓' if check.ok else '✗'} {check.name}: {check.detail}")


def topic_of(name: str) -> str:
    """The topic of a check, by its name."""
    return next(topic for topic, starts in TOPICS.items() if name.startswith(starts))


def _print_path(printer: Printer, report: VerificationReport) -> None:
    printer.table(
        ("shard", "layers", "TCB", "signer", "quote"),
        [
            (
                str(stage.shard_id),
                str(stage.layers),
                stage.tcb_status or "✗ not accepted",
                stage.signer,
                f"0x{stage.quote_hash.hex()}",
            )
            for stage in report.path
        ],
        title="Path",
        lead=("shard {}", "layers {}", "{}"),
    )


def _print_money(printer: Printer, report: VerificationReport) -> None:
    """Who earned what, and the rest of the deposit."""
    rows = [
        (
            f"shard {stage.shard_id} ({stage.layers})",
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

# SPDX-License-Identifier: Apache-2.0
"""An audit as a person reads it."""

from __future__ import annotations

from teetee.cli.output.printer import Printer
from teetee.client.amounts import format_amount
from teetee.client.verification.report import VerificationReport


def print_audit(printer: Printer, report: VerificationReport) -> None:
    """Everything: the checks, the path, the money, and the verdict."""
    rows = [("✓" if check.ok else "✗", check.name, check.detail) for check in report.checks]
    printer.table(("", "check", "detail"), rows, title=f"Request {report.request_id}")
    if report.path:
        printer.table(
            ("shard", "layers", "host", "signer", "quote", "TCB", "earned"),
            [
                (
                    str(stage.shard_id),
                    str(stage.layers),
                    stage.host,
                    stage.signer,
                    f"0x{stage.quote_hash.hex()}",
                    stage.tcb_status or "✗ not judged",
                    format_amount(stage.payout),
                )
                for stage in report.path
            ],
            title="Path",
        )
    printer.table(("", "amount"), _money(report), title="Money")
    print_verdict(printer, report)


def print_verdict(printer: Printer, report: VerificationReport) -> None:
    """One line, and one more for each failure."""
    count = len(report.checks)
    if report.verified:
        stages = len(report.path)
        path = f", {stages} attested stage{'s' * (stages != 1)}" if stages else ""
        printer.say(f"✓ verified: {count} checks passed{path}", "good")
        return
    printer.say(f"✗ not verified: {len(report.failures)} of {count} checks failed", "bad")
    for check in report.failures:
        printer.say(f"  {check.name}: {check.detail}", "bad")


def _money(report: VerificationReport) -> list[tuple[str, str]]:
    rows = [("deposit", format_amount(report.deposit))]
    if report.path:
        rows += [
            (f"host of shard {stage.shard_id}", format_amount(stage.payout))
            for stage in report.path
        ]
        rows += [("fee", format_amount(report.fee)), ("royalty", format_amount(report.royalty))]
    rows.append(("came back", format_amount(report.refund)))
    if report.penalty:
        rows.append(("penalty on top", format_amount(report.penalty)))
    return rows

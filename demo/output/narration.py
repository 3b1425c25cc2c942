# SPDX-License-Identifier: Apache-2.0
"""What a demo prints beside its phases: what is real, what was verified, how to go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from demo.output.console import Console
from demo.output.report import REAL, SIMULATED
from demo.phases.ask import AskResult
from demo.phases.unsplit import UnsplitAnswer
from demo.phases.verify import Verification
from demo.plan import ROOT
from demo.wallets import Wallet
from teetee.client.amounts import round_amount


def print_introduction(console: Console) -> None:
    """What is simulated and what is real."""
    console.say("TeeTee on this machine", "bold")
    for each in SIMULATED:
        console.say(f"  simulated: {each}", "yellow")
    for each in REAL:
        console.say(f"  real:      {each}")
    console.say()


def print_usage(console: Console, asked: AskResult) -> None:
    """One line below the answer."""
    ended = "" if asked.finish_reason == "stop" else ", cut at --max-tokens or for time"
    stream = "equals" if asked.stream_agrees else "differs from"
    console.say(
        f"Request {asked.request_id}: {asked.input_tokens} tokens in, {asked.output_tokens} out"
        f"{ended}. The streamed text {stream} the answer on the chain.",
        "dim",
    )


def print_comparison(console: Console, asked: AskResult, unsplit: UnsplitAnswer) -> None:
    """Whether splitting changed the answer."""
    count = len(unsplit.token_ids)
    if asked.equals(unsplit):
        console.say(f"  Both answers are equal, {count} of {count} tokens.", "green")
        return
    pairs = zip(asked.token_ids, unsplit.token_ids, strict=False)
    first = next((n for n, (split, whole) in enumerate(pairs) if split != whole), None)
    place = "in length or text" if first is None else f"from token {first} on"
    console.say(f"  The answers DIFFER {place}. The unsplit model's:\n{unsplit.text}", "bold red")


def print_verification(
    console: Console, verification: Verification, wallets: Mapping[str, Wallet]
) -> None:
    """Path, checks, money, gas. Addresses and hashes are whole, on one line, to be copied."""
    roles = {wallet.address: role for role, wallet in wallets.items()}
    _print_path(console, verification, roles)
    _print_checks(console, verification)
    _print_money(console, verification, roles)
    _print_gas(console, verification, roles)


def print_next_steps(console: Console, report: Path, logs: Path) -> None:
    """Files to read and commands to try."""
    console.heading("Next")
    console.say(f"  {short_path(report)}   all of this, for programs")
    console.say(f"  {short_path(logs)}   the log of each process, without question and answer")
    console.say("  docs/architecture.md   how it works      docs/trust.md   what you have to trust")
    console.say('  make demo QUESTION="…"   your own question')
    console.say("  make world   a world that keeps running, to use `teetee` by hand")


def short_path(path: Path) -> str:
    """Relative to the repository, where it is inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _print_path(console: Console, verification: Verification, roles: Mapping[str, str]) -> None:
    console.heading("The path that answered")
    for stage in verification.report["path"]:
        first, end = stage["layers"]
        console.say(f"  shard {stage['shardId']}, layers {first}-{end}")
        host = stage["host"]
        console.say(f"    host                   {host}  {roles.get(host, '')}".rstrip())
        console.say(f"    signer in the enclave  {stage['signer']}")
        console.say(f"    quote hash             {stage['quoteHash']}")


def _print_checks(console: Console, verification: Verification) -> None:
    console.heading("Verified from the chain alone, by `teetee verify`")
    checks = verification.report["checks"]
    width = max((len(check["name"]) for check in checks), default=0)
    for check in checks:
        mark, style = ("✓", "") if check["ok"] else ("✗", "bold red")
        console.say(f"  {mark} {check['name']:<{width}}  {check['detail']}", style)


def _print_money(console: Console, verification: Verification, roles: Mapping[str, str]) -> None:
    report, amount = verification.report, verification.amount
    rows = [("deposit", "requester", round_amount(amount("deposit")))]
    rows += [
        (
            f"earned by shard {payout['shardId']}",
            roles.get(payout["host"], payout["host"]),
            round_amount(int(payout["amount"])),
        )
        for payout in report["payouts"]
    ]
    rows += [
        ("fee", "treasury", round_amount(amount("fee"))),
        ("royalty", "publisher", round_amount(amount("royalty"))),
        ("refund", "requester", round_amount(amount("refund"))),
    ]
    console.table(("", "who", "#amount"), rows, "Who earned what")
    balance = round_amount(verification.escrow_balance)
    if verification.sums_up:
        console.say(
            f"The amounts add up. The escrow's balance, {balance}, is what it owes.", "green"
        )
    else:
        console.say(f"The amounts DO NOT ADD UP. The escrow's balance is {balance}.", "bold red")


def _print_gas(console: Console, verification: Verification, roles: Mapping[str, str]) -> None:
    entries = [entry for entry in verification.ledger.entries if entry.name != "deploy"]
    rows = [
        (
            entry.name if entry.succeeded else f"{entry.name} (failed)",
            entry.to,
            roles.get(entry.sender, "an enclave"),
            f"{entry.gas:,}",
        )
        for entry in entries
    ]
    deployed = verification.ledger.gas_by_step().get("deploy", 0)
    rows.insert(0, ("deploy", "all contracts", "publisher", f"{deployed:,}"))
    console.table(("transaction", "contract", "sent by", "#gas"), rows, "Gas")
    console.say(
        "Each of these is the first of its kind on a new chain, with its payload. README's table "
        "shows later ones, without payload.",
        "dim",
    )

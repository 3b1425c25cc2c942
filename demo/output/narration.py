# SPDX-License-Identifier: Apache-2.0
"""What the demo tells around its phases: what is real, what was proven, where to look next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from demo.output.console import Console
from demo.output.report import REAL, SIMULATED
from demo.phases.ask import Asked
from demo.phases.audit import Audit
from demo.phases.unsplit import UnsplitAnswer
from demo.plan import ROOT
from demo.wallets import Wallet
from teetee.client.amounts import format_amount


def tell_begin(console: Console) -> None:
    """First of all, what nobody may believe in."""
    console.say("TeeTee on this machine", "bold")
    for each in SIMULATED:
        console.say(f"  simulated: {each}", "yellow")
    for each in REAL:
        console.say(f"  real:      {each}")
    console.say()


def tell_asked(console: Console, asked: Asked) -> None:
    """One line below the answer."""
    ended = "" if asked.finish_reason == "stop" else ", cut at --max-tokens"
    stream = "agrees" if asked.stream_agrees else "does not agree"
    console.say(
        f"request {asked.request_id}: {asked.input_tokens} tokens in, {asked.output_tokens} out"
        f"{ended}; the stream {stream} with the chain",
        "dim",
    )


def tell_unsplit(console: Console, asked: Asked, unsplit: UnsplitAnswer) -> None:
    """Whether splitting changed anything."""
    if asked.equals(unsplit):
        console.say(f"equal: {len(unsplit.token_ids)} of {len(unsplit.token_ids)} tokens", "green")
        return
    pairs = zip(asked.token_ids, unsplit.token_ids, strict=False)
    same = next((n for n, (ours, theirs) in enumerate(pairs) if ours != theirs), None)
    place = "in their length or text" if same is None else f"from token {same} on"
    console.say(f"DIFFERENT {place}. The unsplit model says:\n{unsplit.text}", "bold red")


def tell_audit(console: Console, audit: Audit, wallets: Mapping[str, Wallet]) -> None:
    """Path, checks, money, gas."""
    roles = {wallet.address: role for role, wallet in wallets.items()}
    console.table(
        ("shard", "layers", "host", "signer in the enclave", "quote hash"),
        [
            (
                str(stage["shardId"]),
                "[{}, {})".format(*stage["layers"]),
                f"{_brief(stage['host'])}  {roles.get(stage['host'], '')}",
                _brief(stage["signer"]),
                _brief(stage["quoteHash"]),
            )
            for stage in audit.verification["path"]
        ],
        "The path that answered",
    )
    console.table(
        ("", "check", "what was found…"),
        [
            ("✓" if check["ok"] else "✗", check["name"], check["detail"])
            for check in audit.verification["checks"]
        ],
        "Checked again from the chain alone, by `teetee verify`",
    )
    _tell_money(console, audit, roles)
    _tell_gas(console, audit, roles)


def tell_end(console: Console, report: Path, logs: Path, request_id: int) -> None:
    """Where to go from here."""
    console.heading("Where to look next")
    console.say(f"  {_short(report)}   everything above, for programs")
    console.say(f"  {_short(logs)}   what each process said; no question and no answer in there")
    console.say("  docs/architecture.md   how it works      docs/trust.md   whom you have to trust")
    console.say(
        f'  make demo QUESTION="…"   ask your own      .venv/bin/python -m demo --keep   then '
        f"`teetee verify {request_id}`"
    )


def tell_keep(console: Console, variables: Mapping[str, str]) -> None:
    """How to use what goes on running, in another terminal."""
    console.heading("All goes on running until Ctrl-C. In another terminal:")
    console.say(f"  cd {shlex.quote(str(ROOT))}")
    for name, value in variables.items():
        console.say(f"  export {name}={shlex.quote(value)}")
    console.say('  .venv/bin/teetee ask "What is a shard?"')
    console.say("  .venv/bin/teetee shards")


def _tell_money(console: Console, audit: Audit, roles: Mapping[str, str]) -> None:
    rows = [("deposit", "requester", format_amount(audit.amount("deposit")))]
    rows += [
        (
            f"earned by shard {payout['shardId']}",
            roles.get(payout["host"], payout["host"]),
            format_amount(int(payout["amount"])),
        )
        for payout in audit.verification["payouts"]
    ]
    rows += [
        ("fee", "treasury", format_amount(audit.amount("fee"))),
        ("royalty", "publisher", format_amount(audit.amount("royalty"))),
        ("came back", "requester", format_amount(audit.amount("refund"))),
    ]
    console.table(("", "who", "#amount"), rows, "Who earned what")
    verdict = "sums up to the last unit" if audit.sums_up else "DOES NOT SUM UP"
    console.say(
        f"{verdict}; the escrow holds {format_amount(audit.held)} and owes as much",
        "green" if audit.sums_up else "bold red",
    )


def _tell_gas(console: Console, audit: Audit, roles: Mapping[str, str]) -> None:
    entries = [entry for entry in audit.ledger.entries if entry.name != "deploy"]
    rows = [
        (
            entry.name if entry.succeeded else f"{entry.name} (failed)",
            entry.to,
            roles.get(entry.sender, "an enclave"),
            f"{entry.gas:,}",
        )
        for entry in entries
    ]
    deployed = audit.ledger.gas_by_step().get("deploy", 0)
    rows.insert(0, ("deploy", "all contracts", "publisher", f"{deployed:,}"))
    console.table(("transaction", "contract", "sent by", "#gas"), rows, "Gas")


def _brief(hexadecimal: str) -> str:
    """Enough to recognize it; the report has all of it."""
    return f"{hexadecimal[:10]}…{hexadecimal[-6:]}"


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)

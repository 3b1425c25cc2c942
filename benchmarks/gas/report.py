# SPDX-License-Identifier: Apache-2.0
"""Writes the gas figures down: `gas.json` and `gas.md`."""

import json
from dataclasses import dataclass

from benchmarks.gas import other_contracts as peers
from benchmarks.gas.measure import GasFigures, measure
from benchmarks.outcome import Options, Outcome


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    meaning: str
    target: int | None = None


INTRODUCTION = """\
Whole transactions on a local chain with Base's rules (osaka, P256VERIFY at 6,900, at most 2^24
gas): 21,000, calldata and execution, refunds taken off. Steady state: everybody concerned has done
the same before, unless said otherwise. Payload bytes (envelope, answer) are left out: each
transaction is measured with payloads of 512 and 2,048 bytes, and the straight line through both is
read at zero. The quotes are simulated, their verification is not: `DcapVerifier` checks everything,
from the attestation key's signature to the platform's TCB level; the platform's certificate was
verified before (`pckCertificate`). Collateral and that certificate are Intel's own of August 2026,
each the first of its kind. The figures of others were measured or published elsewhere;
`gas.json` says where under `peers`.
"""

ROWS = (
    Row(
        "enrolKnownPlatform",
        "enrol one more shard of a host, on a known platform, quote verified in full",
        260_000,
    ),
    Row("enrolFirstOfHost", "the same for the first shard of a host"),
    Row("request", "open a paid request", 130_000),
    Row("settleTwoStages", "settle a path of two stages", 150_000),
    Row("settleBatchMarginal", "each further settlement in a batch of 20", 70_000),
    Row("refund", "refund after the deadline, with penalty"),
    Row("withdraw", "withdraw a host's credit for the first time"),
    Row("publishModel", "publish a model of 30 layers"),
    Row("recheck", "judge an enrolled shard anew, without a signature", 60_000),
    Row("pckCertificate", "verify and store a platform's PCK certificate (1,269 bytes)", 210_000),
    Row("tcbInfo", "take a TCB info (5,524 bytes, 4 levels, 6 of modules)", 850_000),
    Row("qeIdentity", "take a QE identity (461 bytes)"),
    Row("platformCrl", "take a PCK CRL (3,355 bytes, 57 serial numbers)", 900_000),
    Row("rootCrl", "take a root CRL (294 bytes)"),
)


def run(options: Options) -> Outcome:
    """Measure, and write both files. Never long enough to be quicker."""
    figures = measure()
    written = figures.as_json() | {"peers": peers.as_json()}
    (options.results / "gas.json").write_text(json.dumps(written, indent=2) + "\n")
    table = render(figures)
    (options.results / "gas.md").write_text(table)
    return Outcome(table, written)


def render(figures: GasFigures) -> str:
    """The table in Markdown."""
    values = figures.as_json()
    lines = [
        "# Gas",
        "",
        INTRODUCTION,
        "| what | gas | at most | others |",
        "|---|--:|--:|---|",
    ]
    for row in ROWS:
        target = f"{row.target:,}" if row.target else ""
        others = ", ".join(peer.shown for peer in peers.PEERS.get(row.key, ()))
        gas = f"{values[row.key]:,}"
        lines.append(f"| {row.meaning} (`{row.key}`) | {gas} | {target} | {others} |")
    request_byte, settle_byte = values["requestPerPayloadByte"], values["settlePerPayloadByte"]
    lines += [
        "",
        f"A payload byte costs {request_byte} gas in a request and {settle_byte} in a settlement.",
        "",
        "`python -m benchmarks gas` measures it again.",
    ]
    return "\n".join(lines) + "\n"

# SPDX-License-Identifier: Apache-2.0
"""Writes the gas figures: `gas.json` and `gas.md`."""

import json
from dataclasses import dataclass

from benchmarks.gas import other_contracts
from benchmarks.gas.measure import GasFigures, measure
from benchmarks.outcome import Options, Outcome


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    meaning: str
    target: int | None = None


INTRODUCTION = """\
Gas of whole transactions on a local chain with Base's rules (osaka, P256VERIFY at 6,900, at most
2^24 gas): 21,000, calldata and execution, minus refunds. Unless stated otherwise, every account
involved has made the same transaction before. Payload bytes (envelope, answer) are excluded: each
transaction is measured with payloads of 512 and 2,048 bytes and extrapolated to zero. The quotes
are simulated, their verification is not: `DcapVerifier` checks everything, from the attestation
key's signature to the platform's TCB level; the platform's certificate was verified before
(`pckCertificate`). Collateral and that certificate are Intel's own, of August 2026, each the first
of its kind; a PCK CRL of 10,000 serial numbers is simulated. The figures of other projects were
measured or published elsewhere; `gas.json` names the sources under `peers`.
"""

ROWS = (
    Row(
        "enrolKnownPlatform",
        "enrol another shard of a host on a known platform, quote verified in full",
        275_000,
    ),
    Row("enrolFirstOfHost", "the same for the host's first shard"),
    Row("request", "open a paid request", 130_000),
    Row("settleTwoStages", "settle a path of two stages", 150_000),
    Row("settleBatchMarginal", "each further settlement in a batch of 20", 70_000),
    Row("refund", "refund after the deadline, with penalty"),
    Row("withdraw", "withdraw a host's credit for the first time"),
    Row("publishModel", "publish a model of 30 layers"),
    Row("recheck", "recheck an enrolled shard, without a signature", 60_000),
    Row("pckCertificate", "verify and store a platform's PCK certificate (1,269 bytes)", 210_000),
    Row("tcbInfo", "upload a TCB info (5,524 bytes, 4 levels, 6 of modules)", 850_000),
    Row("qeIdentity", "upload a QE identity (461 bytes)"),
    Row("platformCrl", "upload a PCK CRL (3,355 bytes, 57 serial numbers)", 900_000),
    Row("rootCrl", "upload a root CRL (294 bytes)"),
    Row("longCrlPart", "upload a part of a PCK CRL of 10,000 serial numbers, one of 9", 1 << 24),
    Row("longCrlPage", "sort a page of it, one of 9", 1 << 24),
    Row("longCrlLast", "take it into force; with no new serial numbers, this alone", 1 << 24),
    Row("longCrlTotal", "all of these transactions together"),
)


def run(options: Options) -> Outcome:
    """Measures and writes both files. Takes seconds, so there is no quick variant."""
    figures = measure()
    written = figures.as_json() | {"peers": other_contracts.as_json()}
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
        "| transaction | gas | goal, at most | other projects |",
        "|---|--:|--:|---|",
    ]
    for row in ROWS:
        target = f"{row.target:,}" if row.target else ""
        others = ", ".join(each.text for each in other_contracts.PUBLISHED.get(row.key, ()))
        gas = f"{values[row.key]:,}"
        lines.append(f"| {row.meaning} (`{row.key}`) | {gas} | {target} | {others} |")
    request_byte, settle_byte = values["requestPerPayloadByte"], values["settlePerPayloadByte"]
    lines += [
        "",
        f"A payload byte costs {request_byte} gas in a request and {settle_byte} in a settlement.",
        "",
        "Measure again with `python -m benchmarks gas`.",
    ]
    return "\n".join(lines) + "\n"

# SPDX-License-Identifier: Apache-2.0
"""The result of a run, as JSON and as a chart."""

from __future__ import annotations

import json
import platform
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.runtime.report.chart import Chart
from tests.faults.fault import Kind
from tests.faults.result import Findings, Result


def to_json(result: Result) -> dict[str, Any]:
    """`benchmarks/results/faults.json`. Amounts are token wei, times seconds."""
    findings = result.findings
    return {
        "seed": result.seed,
        "machine": {"cores": result.cores, "system": platform.system()},
        "total": {
            "faults": result.fault_count,
            "requests": result.requests,
            "lost": findings.lost,
            "doubled": findings.doubled,
            "answersChanged": findings.answers_changed,
            "bondsLost": findings.bonds_lost,
            "plainOnDisk": findings.plain_on_disk,
        },
        "byKind": {
            kind.value: {
                "faults": result.faults[kind],
                "seconds": round(result.fault_seconds[kind], 1),
                "meaning": MEANINGS[kind],
            }
            for kind in Kind
            if result.faults[kind]
        },
        "answersCutForTime": findings.answers_cut,
        "ends": dict(sorted(findings.ends.items())),
        "refunds": {"due": findings.refunds_due, "made": findings.refunds_made},
        "penaltiesOfEntriesDownAtTheDeadline": findings.excused,
        "seconds": {
            "run": round(result.seconds, 1),
            "longestRecovery": round(result.longest_recovery, 1),
            "longestStart": round(result.longest_start, 1),
        },
        "searchedMegabytes": round(result.searched_bytes / 1e6, 1),
    }


def from_json(value: dict[str, Any]) -> Result:
    """The inverse, as exact as the file is."""
    total, refunds, seconds = value["total"], value["refunds"], value["seconds"]
    findings = Findings(
        ends=Counter(value["ends"]),
        refunds_due=refunds["due"],
        refunds_made=refunds["made"],
        lost=total["lost"],
        doubled=total["doubled"],
        answers_changed=total["answersChanged"],
        answers_cut=value["answersCutForTime"],
        bonds_lost=total["bondsLost"],
        excused=value["penaltiesOfEntriesDownAtTheDeadline"],
        plain_on_disk=total["plainOnDisk"],
    )
    result = Result(
        value["seed"],
        requests=total["requests"],
        findings=findings,
        longest_recovery=seconds["longestRecovery"],
        longest_start=seconds["longestStart"],
        searched_bytes=round(value["searchedMegabytes"] * 1e6),
        seconds=seconds["run"],
        cores=value["machine"]["cores"],
    )
    for name, kind in value["byKind"].items():
        result.faults[Kind(name)] = kind["faults"]
        result.fault_seconds[Kind(name)] = kind["seconds"]
    return result


MEANINGS = {
    Kind.KILL: "kill -9 of an enclave",
    Kind.REBOOT: "kill -9 and loss of its keys; its host rekeys",
    Kind.FREEZE: "SIGSTOP of an enclave, the chain, a guest agent or the collateral service",
    Kind.CUT: "an enclave's connections are closed, new ones refused",
    Kind.DELAY: "an enclave's bytes arrive late or not at all",
    Kind.RPC_ERROR: "nodes fail: HTTP and JSON-RPC errors, garbage, silence",
    Kind.RPC_LIMIT: "nodes ask for fewer calls (429)",
    Kind.RPC_LAG: "nodes are 1 to 8 blocks behind",
    Kind.RPC_LIE: "one node of three lies",
    Kind.REORG: "1 to 64 blocks are replaced",
    Kind.EVICTION: "a shard's platform is denied, the shard evicted, later readmitted",
    Kind.DISK: "an enclave's writes fail, or its journal is locked",
    Kind.CLOCK: "an enclave's wall clock is off, by an hour to 20 years",
    Kind.BURST: "20 to 300 requests at once",
}


def write_results(result: Result, json_file: Path | None, plot_file: Path | None) -> None:
    """Those that are wanted."""
    if json_file is not None:
        json_file.write_text(json.dumps(to_json(result), indent=2) + "\n")
    if plot_file is not None:
        plot_file.write_text(plot(result).bars())


def plot(result: Result) -> Chart:
    """Faults of each kind; the title has what they did."""
    findings = result.findings
    kinds = [kind for kind in Kind if result.faults[kind]]
    harm = findings.lost + findings.doubled + findings.answers_changed + findings.bonds_lost
    total = sum(result.faults.values())
    return Chart(
        title=f"{total:,} faults, {result.requests:,} requests: {harm} lost, doubled, changed",
        x_label="kind of fault",
        y_label="faults",
        categories=[kind.value.replace("-", "\n") for kind in kinds],
        series={"faults": [result.faults[kind] for kind in kinds]},
    )

# SPDX-License-Identifier: Apache-2.0
"""The README's ratios and pictures: written by the run that measured them, so that none is older or
rounder than the results beside it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.runtime.report.tables import QUIET

BEGIN, END = "<!-- speed: written by make bench -->", "<!-- end of speed -->"
PICTURES = """\
![Decoded tokens per second over the number of streams](benchmarks/results/runtime-streams.svg)

![Time per token over the number of stages](benchmarks/results/runtime-stages.svg)

![Peak memory of each stage](benchmarks/results/runtime-memory.svg)

All figures, and what they do and do not compare: [runtime.md](benchmarks/results/runtime.md)."""


def _times(value: float) -> str:
    return f"{value:.2f} ×"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _added(value: Mapping[str, float]) -> str:
    return ", ".join(f"{100 * each:+.1f} % ({name})" for name, each in value.items())


Form = Callable[[Any], str]

ROWS: Mapping[str, tuple[str, Form]] = {
    "decode1_vs_llamacpp_rpc_q8": (
        "decoding one stream, int8, two stages: over llama.cpp RPC, Q8_0, two workers",
        _times,
    ),
    "decode8_vs_llamacpp_rpc_q8": ("the same with eight streams", _times),
    "decode1_vs_hf": (
        "decoding one stream, two stages: over transformers `generate`, fp32, unsplit, two threads",
        _times,
    ),
    "decode8_vs_hf": ("the same with eight streams", _times),
    "added_stage_cost": ("what one more stage adds to the time per token of one stream", _added),
    "receipts_cost": ("hashing, signing and checking receipts, of a request's time", _share),
    "fill8": ("how much of the time the busier stage computes, eight streams", _share),
    "limit_share": ("int8 decoding, of what one core can read from memory", _share),
}


def table(figures: Mapping[str, Any]) -> str:
    """Those that were measured, in Markdown. `figures`: as in `runtime.json`."""
    lines = ["| | |", "|---|--:|"]
    lines += [
        f"| {label} | {form(figures[key])} |"
        for key, (label, form) in ROWS.items()
        if figures[key] is not None
    ]
    machine = figures["machine"]
    where = f"{machine['processor']}, {machine['date'][:10]}"
    others = max((each for each in figures["others_busy"] if each is not None), default=0.0)
    if others > QUIET:
        where += f"; others used up to {others:.0%} of the processor meanwhile"
    return "\n".join([*lines, "", f"{where}."])


def bring_up_to_date(readme: Path, figures: Mapping[str, Any]) -> None:
    """Between the two marks; a README without them is left as it is."""
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        whole = f"{before}{BEGIN}\n\n{table(figures)}\n\n{PICTURES}\n\n{END}{after}"
        readme.write_text(whole, encoding="utf-8")

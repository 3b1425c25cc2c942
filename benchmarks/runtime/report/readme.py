# SPDX-License-Identifier: Apache-2.0
"""Writes the README's ratios and charts, so that they always match the committed results."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.runtime.report.tables import MAX_QUIET_SHARE

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


Formatter = Callable[[Any], str]

ROWS: Mapping[str, tuple[str, Formatter]] = {
    "decode1_vs_llamacpp_rpc_q8": (
        "decoding one stream, int8, two stages, compared with llama.cpp RPC (Q8_0, two workers)",
        _times,
    ),
    "decode8_vs_llamacpp_rpc_q8": ("the same with eight streams", _times),
    "decode1_vs_hf": (
        "decoding one stream, two stages, compared with transformers (fp32, unsplit, two threads)",
        _times,
    ),
    "decode8_vs_hf": ("the same with eight streams", _times),
    "added_stage_cost": ("time per token that one more stage adds, one stream", _added),
    "receipts_cost": (
        "share of a request's time spent on receipts (hashing, signing, checking)",
        _share,
    ),
    "fill8": ("share of the time in which the busier stage computes, eight streams", _share),
    "limit_share": ("int8 decoding, share of one core's memory bandwidth", _share),
}


def table(figures: Mapping[str, Any]) -> str:
    """The measured ratios as a Markdown table. figures: the content of `runtime.json`."""
    lines = ["| | |", "|---|--:|"]
    lines += [
        f"| {label} | {formatted(figures[key])} |"
        for key, (label, formatted) in ROWS.items()
        if figures[key] is not None
    ]
    machine = figures["machine"]
    where = f"{machine['processor']}, {machine['date'][:10]}"
    others = max((each for each in figures["others_busy"] if each is not None), default=0.0)
    if others > MAX_QUIET_SHARE:
        where += f"; others used up to {others:.0%} of the processor meanwhile"
    return "\n".join([*lines, "", f"{where}."])


def update_readme(readme: Path, figures: Mapping[str, Any]) -> None:
    """Replaces the text between the two marks; does nothing to a README without them."""
    text = readme.read_text(encoding="utf-8")
    before, begin, remainder = text.partition(BEGIN)
    _, end, after = remainder.partition(END)
    if begin and end:
        updated = f"{before}{BEGIN}\n\n{table(figures)}\n\n{PICTURES}\n\n{END}{after}"
        readme.write_text(updated, encoding="utf-8")

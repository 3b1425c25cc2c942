# SPDX-License-Identifier: Apache-2.0
"""The tables of `runtime.md`."""

from collections.abc import Callable, Iterable, Iterator

from benchmarks.runtime.measurement.sample import Sample, median_of
from benchmarks.runtime.report.ratios import Comparison, Ratio
from benchmarks.runtime.schedule.measure import Figures

MEBIBYTE = 1 << 20

INTRODUCTION = """\
{model}, {prompt} prompt tokens, {new} decoded, greedy; {cores} cores, each process pinned to its \
own. `2 × 1`: two processes of one thread. TeeTee runs real stage processes on loopback, with \
mutual TLS 1.3 and receipts unless stated otherwise. Systems take turns, round by round; figures \
are medians, and ratios come from the same run. Such machines change their speed by the minute: \
compare ratios, not tokens per second of different runs. llama-bench decodes from an empty \
context, TeeTee and transformers after the prompt. Decoding rates cover the time in which all \
streams decode. A dash: not measured, or not reported by the tool. `runtime.json` has every sample \
and the meaning of each key.
"""

MAX_QUIET_SHARE = 0.1
"""The share of the processor that others may use without a warning."""
DISTURBED = """\
**Others used up to {share:.0%} of the processor meanwhile. That slows down systems with several \
synchronised threads most: measure again on an idle machine.**"""

Part = Callable[[Sample], float | None]


def render(figures: Figures) -> str:
    """The tables in Markdown."""
    schedule, machine = figures.schedule, figures.machine
    introduction = INTRODUCTION.format(
        model=schedule.model.name,
        prompt=schedule.workload.prompt_tokens,
        new=schedule.workload.new_tokens,
        cores=machine.cores,
    )
    facts = [machine.date, machine.processor, *machine.instructions, *_versions(figures)]
    lines = ["# Speed of the runtime", "", introduction, ", ".join(facts) + "."]
    if schedule.quick:
        lines += ["", "**Quick run: few tokens and repeats, for a first impression only.**"]
    if figures.max_others_busy > MAX_QUIET_SHARE:
        lines += ["", DISTURBED.format(share=figures.max_others_busy)]
    lines += ["", *(f"* {name}: {note}" for name, note in figures.notes.items())]
    lines += ["", "## Ratios", "", *_ratio_table(figures)]
    lines += speed_tables(figures)
    lines += ["", "## Memory, links, receipts", "", *_cost_table(figures)]
    lines += ["", "Measure again with `python -m benchmarks runtime`."]
    return "\n".join(lines) + "\n"


def _versions(figures: Figures) -> Iterator[str]:
    for name, version in figures.machine.versions.items():
        yield f"{name} {version}"


def _ratio_table(figures: Figures) -> Iterator[str]:
    comparison = Comparison(figures)
    yield "| key | value | meaning |"
    yield "|---|--:|---|"
    for key, ratio in (comparison.ratios() | comparison.secondary_ratios()).items():
        why = f" (none: {ratio.reason})" if ratio.reason else ""
        yield f"| `{key}` | {_value(ratio)} | {ratio.meaning}{why} |"


def _value(ratio: Ratio) -> str:
    if ratio.value is None:
        return "–"
    if isinstance(ratio.value, dict):
        return ", ".join(f"{name}: {value:g}" for name, value in ratio.value.items())
    return f"{ratio.value:g}"


def speed_tables(figures: Figures) -> Iterator[str]:
    """Speed by system and number of streams."""
    for title, part, form in (
        ("Decoded tokens per second", lambda each: each.decode_tokens_per_second, ".1f"),
        ("Prompt tokens per second", lambda each: each.prefill_tokens_per_second, ".0f"),
        ("Prompt and new tokens per second", lambda each: each.total_tokens_per_second, ".0f"),
        ("Seconds to the first token", lambda each: each.first_token_seconds, ".2f"),
        ("Milliseconds between tokens, median", _milli("token_gap_p50_seconds"), ".1f"),
        ("Milliseconds between tokens, 99 %", _milli("token_gap_p99_seconds"), ".1f"),
    ):
        yield from ("", f"## {title}", "")
        yield from _by_streams(figures, part, form)


def _by_streams(figures: Figures, part: Part, form: str) -> Iterator[str]:
    schedule = figures.schedule
    yield "| streams | " + " | ".join(map(str, schedule.repeats)) + " |"
    yield "|---|" + "--:|" * len(schedule.repeats)
    for name in figures.samples:
        cells = [
            _cell(part(sample) if (sample := figures.median(name, each)) else None, form)
            for each in schedule.repeats
        ]
        if set(cells) != {"–"}:
            yield f"| {name} | {' | '.join(cells)} |"


def _cost_table(figures: Figures) -> Iterator[str]:
    """Memory, traffic and receipts by system and number of streams."""
    yield (
        "| system | streams | peak MiB of each process | bytes per position on each hop | busy | "
        "hashing, ms | signing, ms |"
    )
    yield "|---|--:|---|---|---|--:|--:|"
    for name, by_streams in figures.samples.items():
        for streams, samples in by_streams.items():
            sample = median_of(samples)
            if sample.peak_bytes:
                cells = (
                    _each((size / MEBIBYTE for size in sample.peak_bytes), ".0f"),
                    _each(sample.hop_bytes_per_position, ".0f"),
                    _each(sample.busy_share, ".2f"),
                    _cell(_milli("commitment_seconds")(sample), ".1f"),
                    _cell(_milli("signature_seconds")(sample), ".1f"),
                )
                yield f"| {name} | {streams} | {' | '.join(cells)} |"


def _milli(name: str) -> Part:
    def part(sample: Sample) -> float | None:
        value: float | None = getattr(sample, name)
        return None if value is None else 1000 * value

    return part


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"


def _each(values: Iterable[float], form: str) -> str:
    return ", ".join(f"{value:{form}}" for value in values) or "–"

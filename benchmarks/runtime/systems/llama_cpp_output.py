# SPDX-License-Identifier: Apache-2.0
"""Parses the output of llama-bench (`-o json`) and llama-batched-bench (`--output-format jsonl`).

Both report means over a whole run, so there are no quantiles of the time between tokens.
"""

import json
from typing import Any

from benchmarks.errors import OutputUnknown
from benchmarks.runtime.measurement.sample import Sample


def parse_bench(text: str) -> Sample:
    """The sample in llama-bench's output. Raises `OutputUnknown`."""
    try:
        rows = json.loads(text)
        prompt = _only(row for row in rows if row["n_prompt"] and not row["n_gen"])
        tokens = _only(row for row in rows if row["n_gen"] and not row["n_prompt"])
        prefill, decode = float(prompt["avg_ts"]), float(tokens["avg_ts"])
        prompt_tokens, new_tokens = int(prompt["n_prompt"]), int(tokens["n_gen"])
        seconds = prompt_tokens / prefill + new_tokens / decode
        return Sample(
            prefill_tokens_per_second=prefill,
            decode_tokens_per_second=decode,
            total_tokens_per_second=(prompt_tokens + new_tokens) / seconds,
            first_token_seconds=prompt_tokens / prefill,
            seconds=seconds,
        )
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise OutputUnknown("llama-bench", _detail(error, text)) from None


def parse_batched_bench(text: str, streams: int) -> Sample:
    """The sample in the line for that many streams; ignores all other lines.

    Raises `OutputUnknown`.
    """
    lines = [line for line in text.splitlines() if line.startswith("{")]
    try:
        row = _only(each for each in map(json.loads, lines) if each["pl"] == streams)
        return Sample(
            prefill_tokens_per_second=float(row["speed_pp"]),
            decode_tokens_per_second=float(row["speed_tg"]),
            total_tokens_per_second=float(row["speed"]),
            first_token_seconds=float(row["t_pp"]),
            seconds=float(row["t"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise OutputUnknown("llama-batched-bench", _detail(error, text)) from None


def _only(rows: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = list(rows)
    if len(found) != 1:
        raise ValueError(f"{len(found)} rows instead of 1")
    return found[0]


def _detail(error: Exception, text: str) -> str:
    return f"{type(error).__name__}: {error}, in {text[:80]!r}"

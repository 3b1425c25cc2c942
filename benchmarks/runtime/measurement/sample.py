# SPDX-License-Identifier: Apache-2.0
"""A sample: one measurement, computed from the arrival times of tokens, and the median of several.

Knows no system and no clock.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any

MIN_WINDOW_SHARE = 0.5
"""The share of decoded tokens that must fall into the common window for it to be used."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One system with one number of streams. None: its tool does not report it."""

    prefill_tokens_per_second: float | None = None
    """Prompt tokens of all streams, over the time to the last stream's first token."""
    decode_tokens_per_second: float | None = None
    """Of all streams together, while all of them decode."""
    total_tokens_per_second: float | None = None
    """Prompt and new tokens, from the first request to the last answer."""
    first_token_seconds: float | None = None
    """Of the median stream."""
    token_gap_p50_seconds: float | None = None
    token_gap_p99_seconds: float | None = None
    decode_window_share: float | None = None
    """The share of decoded tokens that arrived while all streams decoded. Below one half (some
    prompts were still being computed when the first streams ended), the decode rate covers the time
    from the first token to the last, prompts included, and understates decoding alone."""
    peak_bytes: tuple[float, ...] = ()
    """Of each process; for Python processes, above a bare interpreter with torch."""
    busy_share: tuple[float, ...] = ()
    """The share of time each stage computes while all streams decode."""
    hop_bytes_per_position: tuple[float, ...] = ()
    """From each stage to the next; from the last stage, to the entry."""
    hop_frames: tuple[float, ...] = ()
    commitment_seconds: float | None = None
    """Hashing for commitments: all stages, all streams."""
    signature_seconds: float | None = None
    """Signing and checking receipts: all stages, all streams."""
    seconds: float | None = None
    """From the first request to the last answer."""

    def as_json(self) -> dict[str, Any]:
        """The fields that are known."""
        return {key: value for key, value in asdict(self).items() if value not in (None, ())}


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """When tokens arrived, on one clock for all processes of the machine."""

    began: float
    tokens: Sequence[Sequence[float]]
    """By stream; at least two per stream."""
    ended: float
    """When the last answer was complete, including any receipts."""

    @property
    def window(self) -> tuple[float, float]:
        """The time in which all streams decode, or the whole time if less than half of the decoded
        tokens fall into it.
        """
        return self._common if self.window_share >= MIN_WINDOW_SHARE else self._whole

    @property
    def window_share(self) -> float:
        """The share of decoded tokens that arrived while all streams decoded."""
        return self._within(self._common) / self._within(self._whole)

    @property
    def decode_rate(self) -> float:
        """Tokens per second in the window."""
        begin, end = self.window
        return self._within(self.window) / (end - begin)

    @property
    def _common(self) -> tuple[float, float]:
        return max(each[0] for each in self.tokens), min(each[-1] for each in self.tokens)

    @property
    def _whole(self) -> tuple[float, float]:
        return min(each[0] for each in self.tokens), max(each[-1] for each in self.tokens)

    def _within(self, window: tuple[float, float]) -> int:
        """The tokens in the window, without each stream's first, which belongs to its prompt."""
        begin, end = window
        return sum(begin < time <= end for each in self.tokens for time in each[1:])


def sample_from(times: TokenTimes, prompt_tokens: int) -> Sample:
    """The rates and times that follow from the arrival times."""
    firsts = [each[0] - times.began for each in times.tokens]
    seconds = times.ended - times.began
    all_prompts = len(firsts) * prompt_tokens
    gaps = sorted(after - before for each in times.tokens for before, after in pairwise(each))
    return Sample(
        prefill_tokens_per_second=all_prompts / max(firsts),
        decode_tokens_per_second=times.decode_rate,
        total_tokens_per_second=(all_prompts + len(firsts) + len(gaps)) / seconds,
        first_token_seconds=statistics.median(firsts),
        token_gap_p50_seconds=quantile(gaps, 0.5),
        token_gap_p99_seconds=quantile(gaps, 0.99),
        decode_window_share=times.window_share,
        seconds=seconds,
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value of `ordered` such that at least `share` of them are at or below it."""
    rank = -(-share * len(ordered) // 1)
    return ordered[max(0, int(rank) - 1)]


def overlap_share(spans: Sequence[tuple[float, float]], window: tuple[float, float]) -> float:
    """The share of a window that the spans cover. Spans must not overlap each other."""
    begin, end = window
    return sum(max(0.0, min(end, b) - max(begin, a)) for a, b in spans) / (end - begin)


def median_of(samples: Sequence[Sample]) -> Sample:
    """The median of each field."""
    return replace(
        Sample(),
        **{each.name: _median([getattr(s, each.name) for s in samples]) for each in fields(Sample)},
    )


def _median(values: Sequence[Any]) -> Any:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if isinstance(known[0], tuple):
        longest = max(map(len, known))
        whole = [value for value in known if len(value) == longest]
        return tuple(statistics.median(each) for each in zip(*whole, strict=True))
    return statistics.median(known)

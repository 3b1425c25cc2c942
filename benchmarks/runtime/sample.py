# SPDX-License-Identifier: Apache-2.0
"""One measurement, how it follows from the moments when tokens came, and the median of several.

Knows no system and no clock.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any

WINDOW_SHARE = 0.5
"""Of all decoded tokens, that must fall where every stream decodes for that window to count."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one system did with one number of streams. None: its tool does not tell."""

    prefill_tokens_per_second: float | None = None
    """All prompt tokens, until the last stream had its first token."""
    decode_tokens_per_second: float | None = None
    """Of all streams together, while all of them decode."""
    total_tokens_per_second: float | None = None
    """Prompt and new tokens, from the first request to the last answer."""
    first_token_seconds: float | None = None
    """The median stream's."""
    token_gap_p50_seconds: float | None = None
    token_gap_p99_seconds: float | None = None
    decode_window_share: float | None = None
    """Of the decoded tokens, that came while all streams decoded. Below one half (prompts were
    still computed when the first streams ended), the decode rate is that from the first token to
    the last, prompts included: less than what it would be alone."""
    peak_bytes: tuple[float, ...] = ()
    """Of each process, over a bare interpreter with torch where it is one."""
    busy_share: tuple[float, ...] = ()
    """Of each stage while all streams decode: how much of the time it computes."""
    hop_bytes_per_position: tuple[float, ...] = ()
    """From each stage to the next; the last one's go back to the entry."""
    hop_frames: tuple[float, ...] = ()
    commitment_seconds: float | None = None
    """All stages together, for all streams: hashing what travels."""
    signature_seconds: float | None = None
    """The same: signing and checking receipts."""
    seconds: float | None = None
    """From the first request to the last answer."""

    def as_json(self) -> dict[str, Any]:
        """Without what is not known."""
        return {key: value for key, value in asdict(self).items() if value not in (None, ())}


@dataclass(frozen=True, slots=True)
class Moments:
    """When tokens came, on one clock for all processes of the machine."""

    began: float
    tokens: Sequence[Sequence[float]]
    """By stream; at least two each."""
    ended: float
    """When the last answer was complete, with its receipts if there are any."""

    @property
    def window(self) -> tuple[float, float]:
        """From the last stream's first token to the first stream's last, or, if less than half of
        the decoded tokens fall there, from the first token of all to the last of all.
        """
        return self._common if self.window_share >= WINDOW_SHARE else self._whole

    @property
    def window_share(self) -> float:
        """Of the decoded tokens, that came while all streams decoded."""
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
        """Tokens but each stream's first, which belongs to its prompt."""
        begin, end = window
        return sum(begin < moment <= end for each in self.tokens for moment in each[1:])


def sample_of(moments: Moments, prompt_tokens: int) -> Sample:
    """All that follows from the moments."""
    firsts = [each[0] - moments.began for each in moments.tokens]
    seconds = moments.ended - moments.began
    all_prompts = len(firsts) * prompt_tokens
    gaps = sorted(after - before for each in moments.tokens for before, after in pairwise(each))
    return Sample(
        prefill_tokens_per_second=all_prompts / max(firsts),
        decode_tokens_per_second=moments.decode_rate,
        total_tokens_per_second=(all_prompts + len(firsts) + len(gaps)) / seconds,
        first_token_seconds=statistics.median(firsts),
        token_gap_p50_seconds=quantile(gaps, 0.5),
        token_gap_p99_seconds=quantile(gaps, 0.99),
        decode_window_share=moments.window_share,
        seconds=seconds,
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of `ordered` with at least that share at or below it."""
    rank = -(-share * len(ordered) // 1)
    return ordered[max(0, int(rank) - 1)]


def overlap_share(spans: Sequence[tuple[float, float]], window: tuple[float, float]) -> float:
    """How much of a window the spans cover; they do not overlap each other."""
    begin, end = window
    return sum(max(0.0, min(end, b) - max(begin, a)) for a, b in spans) / (end - begin)


def median_of(samples: Sequence[Sample]) -> Sample:
    """Field by field."""
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

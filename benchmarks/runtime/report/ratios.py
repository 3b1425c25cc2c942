# SPDX-License-Identifier: Apache-2.0
"""The ratios that goals refer to: TeeTee relative to other systems and to the machine.

A ratio without one of its halves has no value and a reason.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.runtime.measurement.sample import Sample
from benchmarks.runtime.measurement.workload import FP32, INT8
from benchmarks.runtime.schedule.measure import Figures
from benchmarks.runtime.systems.llama_cpp import LlamaCpp
from benchmarks.runtime.systems.ring import Ring
from benchmarks.runtime.systems.transformers_system import Transformers

Value = float | dict[str, float]


class NotMeasured(Exception):
    """A figure was not measured. The message says why."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A value, or the reason for its absence, and its meaning."""

    meaning: str
    value: Value | None = None
    reason: str | None = None


class Comparison:
    """The ratios of one run's medians."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        schedule = figures.schedule
        self._best = schedule.best_precision()
        self._ring = Ring(schedule.model, schedule.workload, 2, 1, self._best)
        self._rpc = LlamaCpp(schedule.model, schedule.workload, "", 2, 1)
        self._hf = Transformers(schedule.model, schedule.workload, 2)

    def ratios(self) -> dict[str, Ratio]:
        """The goals, by the keys of `results/runtime.json`, in its order."""
        return dict(self._goals())

    def secondary_ratios(self) -> dict[str, Ratio]:
        """Ratios that are not goals."""
        return dict(self._secondary())

    @property
    def read_seconds(self) -> float:
        """The time to read a byte per weight: the fastest way's median. Raises `NotMeasured`."""
        rounds = self._figures.read_seconds
        if not rounds:
            raise NotMeasured("the memory was not measured")
        ways = {way: sorted(each[way] for each in rounds) for way in rounds[0]}
        return min(seconds[len(seconds) // 2] for seconds in ways.values())

    def _goals(self) -> Iterator[tuple[str, Ratio]]:
        int8, best = replace(self._ring, precision=INT8), self._best
        for streams in (1, 8):
            yield (
                f"decode{streams}_vs_llamacpp_rpc_q8",
                self._decode_ratio(int8.name, self._rpc.name, streams),
            )
        for streams in (1, 8):
            yield (
                f"decode{streams}_vs_hf",
                self._decode_ratio(self._ring.name, self._hf.name, streams),
            )
        yield (
            "added_stage_cost",
            _ratio(
                f"added time per token with one more stage ({best}, one stream, one thread per "
                "stage, so that one thread computes at a time; TLS and receipts on): 0.05 is 5 %",
                self._added_stages,
            ),
        )
        yield (
            "receipts_cost",
            _ratio(
                f"share of a request's time in which all stages together hash, sign and check "
                f"({self._ring.name}, one stream)",
                self._receipts,
            ),
        )
        yield (
            "fill8",
            _ratio(
                f"share of time in which the busier stage computes ({self._ring.name}, 8 streams)",
                lambda: max(self._sample(self._ring.name, 8).busy_share),
            ),
        )
        yield "limit_share", self._limit(int8, 1)

    def _secondary(self) -> Iterator[tuple[str, Ratio]]:
        fp32 = replace(self._ring, precision=FP32)
        for streams in (1, 8):
            key = f"decode{streams}_vs_hf_in_fp32"
            yield key, self._decode_ratio(fp32.name, self._hf.name, streams)
        yield "limit_share_in_fp32", self._limit(fp32, 4)
        for streams in (1, 8):
            for key, other in (
                ("tls_cost", replace(self._ring, encrypted=False)),
                ("commitments_cost", replace(self._ring, committed=False)),
            ):
                yield f"{key}{streams}", self._protection_cost(other, streams)

    def _decode_ratio(self, system: str, other: str, streams: int) -> Ratio:
        return _ratio(
            f"decoded tokens per second, {system} over {other}, {_streams(streams)}",
            lambda: self._decode(system, streams) / self._decode(other, streams),
        )

    def _protection_cost(self, other: Ring, streams: int) -> Ratio:
        """The added time per token relative to a ring without a protection, noise included."""
        return _ratio(
            f"added time per token relative to {other.name}, {_streams(streams)}",
            lambda: self._decode(other.name, streams) / self._decode(self._ring.name, streams) - 1,
        )

    def _added_stages(self) -> Value:
        rings = [replace(self._ring, stages=stages).name for stages in (1, 2, 3)]
        one, two, three = (self._decode(ring, 1) for ring in rings)
        return {"2 over 1": round(one / two - 1, 3), "3 over 2": round(two / three - 1, 3)}

    def _receipts(self) -> float:
        sample = self._sample(self._ring.name, 1)
        assert sample.seconds is not None
        seconds = (sample.commitment_seconds or 0) + (sample.signature_seconds or 0)
        return seconds / sample.seconds

    def _limit(self, ring: Ring, bytes_per_weight: int) -> Ratio:
        return _ratio(
            f"decoded tokens per second of {ring.name}, one stream, over how often per second one "
            f"core can read {bytes_per_weight} byte{'s' * (bytes_per_weight > 1)} per weight",
            lambda: self._decode(ring.name, 1) * self.read_seconds * bytes_per_weight,
        )

    def _decode(self, system: str, streams: int) -> float:
        rate = self._sample(system, streams).decode_tokens_per_second
        if rate is None:
            raise NotMeasured(f"{system} does not report it")
        return rate

    def _sample(self, system: str, streams: int) -> Sample:
        sample = self._figures.median(system, streams)
        if sample is None:
            reason = self._figures.unavailable.get(system, "it was not scheduled")
            raise NotMeasured(f"no figure of {system} with {_streams(streams)}: {reason}")
        return sample


def _streams(number: int) -> str:
    return f"{number} stream{'s' if number > 1 else ''}"


def _ratio(meaning: str, value: Callable[[], Value]) -> Ratio:
    try:
        found = value()
    except NotMeasured as error:
        return Ratio(meaning, reason=str(error))
    return Ratio(meaning, found if isinstance(found, dict) else round(found, 3))

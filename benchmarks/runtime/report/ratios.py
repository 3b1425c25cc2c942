# SPDX-License-Identifier: Apache-2.0
"""The figures that goals are set in: ours against others' and against the machine, from one run.

A ratio whose other half was not measured has no value, and says why.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.runtime.engine.ring import FP32, INT8, Ring
from benchmarks.runtime.measure import Figures
from benchmarks.runtime.peers.llama_cpp import LlamaCpp
from benchmarks.runtime.peers.transformers_peer import Transformers
from benchmarks.runtime.sample import Sample

Value = float | dict[str, float]


class Unknown(Exception):
    """A figure was not measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Value or reason, and what it says."""

    meaning: str
    value: Value | None = None
    reason: str | None = None


class Comparison:
    """Ratios of one run's medians."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        plan = figures.plan
        self._best = plan.best()
        self._ring = Ring(plan.model, plan.workload, 2, 1, self._best)
        self._rpc = LlamaCpp(plan.model, plan.workload, "", 2, 1)
        self._hf = Transformers(plan.model, plan.workload, 2)

    def ratios(self) -> dict[str, Ratio]:
        """By the keys of `results/runtime.json`, in its order."""
        return dict(self._all())

    def also(self) -> dict[str, Ratio]:
        """Not goals, but what one asks next."""
        return dict(self._more())

    @property
    def read_seconds(self) -> float:
        """To read a byte for each weight: the fastest way's median. Raises `Unknown`."""
        rounds = self._figures.read_seconds
        if not rounds:
            raise Unknown("the memory was not measured")
        ways = {way: sorted(each[way] for each in rounds) for way in rounds[0]}
        return min(seconds[len(seconds) // 2] for seconds in ways.values())

    def _all(self) -> Iterator[tuple[str, Ratio]]:
        int8, best = replace(self._ring, precision=INT8), self._best
        for streams in (1, 8):
            yield (
                f"decode{streams}_vs_llamacpp_rpc_q8",
                self._against(int8.name, self._rpc.name, streams),
            )
        for streams in (1, 8):
            yield f"decode{streams}_vs_hf", self._against(self._ring.name, self._hf.name, streams)
        yield (
            "added_stage_cost",
            _ratio(
                f"by how much more a token takes with one more stage ({best}, one stream, one "
                "thread a stage, so that one thread computes at a time; TLS and receipts on): 0.05 "
                "is 5 %",
                self._added_stages,
            ),
        )
        yield (
            "receipts_cost",
            _ratio(
                f"share of a request's time that all stages together hash, sign and check "
                f"({self._ring.name}, one stream)",
                self._receipts,
            ),
        )
        yield (
            "fill8",
            _ratio(
                f"share of the time that the busier stage computes ({self._ring.name}, 8 streams)",
                lambda: max(self._sample(self._ring.name, 8).busy_share),
            ),
        )
        yield "limit_share", self._limit(int8, 1)

    def _more(self) -> Iterator[tuple[str, Ratio]]:
        fp32 = replace(self._ring, precision=FP32)
        for streams in (1, 8):
            key = f"decode{streams}_vs_hf_in_fp32"
            yield key, self._against(fp32.name, self._hf.name, streams)
        yield "limit_share_in_fp32", self._limit(fp32, 4)
        for streams in (1, 8):
            for key, other in (
                ("tls_cost", replace(self._ring, encrypted=False)),
                ("commitments_cost", replace(self._ring, committed=False)),
            ):
                yield f"{key}{streams}", self._without(other, streams)

    def _against(self, ours: str, theirs: str, streams: int) -> Ratio:
        return _ratio(
            f"decoded tokens per second, {ours} over {theirs}, {_streams(streams)}",
            lambda: self._decode(ours, streams) / self._decode(theirs, streams),
        )

    def _without(self, other: Ring, streams: int) -> Ratio:
        """By how much more a token takes than without; noise of the machine included."""
        return _ratio(
            f"by how much more a token takes than in {other.name}, {_streams(streams)}",
            lambda: self._decode(other.name, streams) / self._decode(self._ring.name, streams) - 1,
        )

    def _added_stages(self) -> Value:
        rings = [replace(self._ring, stages=stages).name for stages in (1, 2, 3)]
        one, two, three = (self._decode(ring, 1) for ring in rings)
        return {"2 over 1": round(one / two - 1, 3), "3 over 2": round(two / three - 1, 3)}

    def _receipts(self) -> float:
        sample = self._sample(self._ring.name, 1)
        assert sample.seconds is not None
        spent = (sample.commitment_seconds or 0) + (sample.signature_seconds or 0)
        return spent / sample.seconds

    def _limit(self, ring: Ring, bytes_per_weight: int) -> Ratio:
        return _ratio(
            f"decoded tokens per second of {ring.name}, one stream, over how often one core can "
            f"read {bytes_per_weight} bytes for each weight in a second",
            lambda: self._decode(ring.name, 1) * self.read_seconds * bytes_per_weight,
        )

    def _decode(self, system: str, streams: int) -> float:
        rate = self._sample(system, streams).decode_tokens_per_second
        if rate is None:
            raise Unknown(f"{system} does not tell it")
        return rate

    def _sample(self, system: str, streams: int) -> Sample:
        sample = self._figures.median(system, streams)
        if sample is None:
            reason = self._figures.missing.get(system, "it was not asked")
            raise Unknown(f"no figure of {system} with {_streams(streams)}: {reason}")
        return sample


def _streams(number: int) -> str:
    return f"{number} stream{'s' if number > 1 else ''}"


def _ratio(meaning: str, value: Callable[[], Value]) -> Ratio:
    try:
        found = value()
    except Unknown as unknown:
        return Ratio(meaning, reason=str(unknown))
    return Ratio(meaning, found if isinstance(found, dict) else round(found, 3))

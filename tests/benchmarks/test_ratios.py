# SPDX-License-Identifier: Apache-2.0
"""The ratios that goals refer to.

given medians of both systems
    it should divide TeeTee's rate by the other's, and times the other way round
given one of them missing
    it should have no value, and the reason
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.runtime.machine.description import MachineDescription
from benchmarks.runtime.measurement.sample import Sample
from benchmarks.runtime.measurement.workload import FULL
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.report.plots import decode_over_streams, memory_of_stages, time_over_stages
from benchmarks.runtime.report.ratios import Comparison
from benchmarks.runtime.report.tables import render
from benchmarks.runtime.schedule.measure import Figures
from benchmarks.runtime.schedule.schedule import Schedule
from benchmarks.runtime.systems import ring
from benchmarks.runtime.systems.llama_cpp import LlamaCpp, find_programs
from benchmarks.runtime.systems.ring import Ring

MODEL = BenchmarkModel("model", Path("nowhere"), Path("nowhere/model.gguf"))
RPC, HF = "llama.cpp RPC Q8_0 2 × 1", "transformers fp32 1 × 2"
KEYS = [
    "decode1_vs_llamacpp_rpc_q8",
    "decode8_vs_llamacpp_rpc_q8",
    "decode1_vs_hf",
    "decode8_vs_hf",
    "added_stage_cost",
    "receipts_cost",
    "fill8",
    "limit_share",
]


@pytest.fixture(autouse=True)
def all_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "unavailable_reason", lambda precision: None)


def decoding(rate: float, **more: object) -> Sample:
    return Sample(decode_tokens_per_second=rate, **more)  # type: ignore[arg-type]


def figures_of(
    samples: Mapping[str, Mapping[int, list[Sample]]],
    unavailable: Mapping[str, str] | None = None,
    busy: float = 0.0,
) -> Figures:
    schedule = Schedule(MODEL, FULL, {}, {1: 3, 8: 1})
    reads = [{"one way": 0.004, "another": 0.005}, {"one way": 0.002, "another": 0.005}]
    machine = MachineDescription.of_this_machine()
    return Figures(schedule, machine, samples, unavailable or {}, {}, reads, [0.02, busy])


MEASURED = {
    "teetee int8 1 × 1": {1: [decoding(55.0)]},
    "teetee int8 2 × 1": {
        1: [
            decoding(rate, commitment_seconds=0.01, signature_seconds=0.02, seconds=3.0)
            for rate in (10.0, 50.0, 90.0)
        ],
        8: [decoding(200.0, busy_share=(0.7, 0.9))],
    },
    "teetee int8 3 × 1": {1: [decoding(40.0)]},
    "teetee int8 2 × 1 without TLS": {1: [decoding(60.0)]},
    "teetee fp32 2 × 1": {1: [decoding(20.0)]},
    RPC: {1: [decoding(40.0)], 8: [decoding(80.0)]},
    HF: {1: [decoding(10.0)], 8: [decoding(50.0)]},
}


def test_ratios__all_measured__are_of_medians() -> None:
    ratios = Comparison(figures_of(MEASURED)).ratios()
    assert list(ratios) == KEYS
    assert {key: ratio.value for key, ratio in ratios.items()} == {
        "decode1_vs_llamacpp_rpc_q8": 1.25,
        "decode8_vs_llamacpp_rpc_q8": 2.5,
        "decode1_vs_hf": 5.0,
        "decode8_vs_hf": 4.0,
        "added_stage_cost": {"2 over 1": 0.1, "3 over 2": 0.25},
        "receipts_cost": 0.01,
        "fill8": 0.9,
        "limit_share": 0.2,
    }
    assert not any(ratio.reason for ratio in ratios.values())


def test_secondary_ratios__some_measured__have_values_only_for_those() -> None:
    secondary = Comparison(figures_of(MEASURED)).secondary_ratios()
    assert secondary["decode1_vs_hf_in_fp32"].value == 2.0
    assert secondary["limit_share_in_fp32"].value == pytest.approx(20 * 0.004 * 4)
    assert secondary["tls_cost1"].value == 0.2
    assert secondary["commitments_cost1"].value is None


def test_ratios__competitor_missing__have_no_value_but_its_reason() -> None:
    measured = {name: each for name, each in MEASURED.items() if name != RPC}
    ratios = Comparison(figures_of(measured, {RPC: "LLAMA_CPP_BIN is not set"})).ratios()
    without = [key for key, ratio in ratios.items() if ratio.value is None]
    assert without == KEYS[:2]
    assert ratios[KEYS[0]].reason == (f"no figure of {RPC} with 1 stream: LLAMA_CPP_BIN is not set")
    assert "| `decode1_vs_llamacpp_rpc_q8` | – |" in render(figures_of(measured))


def test_ratios__nothing_measured__are_all_without_value() -> None:
    ratios = Comparison(figures_of({})).ratios()
    assert all(ratio.value is None and ratio.reason for ratio in ratios.values())


def test_render__busy_machine__says_how_much() -> None:
    assert "Others used" not in render(figures_of(MEASURED))
    assert "Others used up to 42% of the processor" in render(figures_of(MEASURED, busy=0.42))


def test_names__systems__are_the_keys_of_the_results() -> None:
    assert LlamaCpp(MODEL, FULL, find_programs(None), 2, 1).name == RPC
    assert Ring(MODEL, FULL, 2, 1, "int8").name == "teetee int8 2 × 1"


def test_plots__some_measured__show_only_those() -> None:
    figures = figures_of(MEASURED)
    streams = decode_over_streams(figures)
    assert streams.series["TeeTee, int8, 2 stages"] == [50.0, 200.0]
    assert streams.series["TeeTee, fp32, 2 stages"] == [20.0, None]
    assert "llama.cpp, Q8_0, unsplit" not in streams.series
    assert time_over_stages(figures).series["TeeTee, int8, TLS and receipts on"] == [
        pytest.approx(1000 / 55),
        20.0,
        25.0,
    ]
    assert memory_of_stages(figures).bars().startswith("<svg")
    assert streams.lines().count("<polyline") == len(streams.series)

# SPDX-License-Identifier: Apache-2.0
"""llama.cpp as a competitor.

given recorded output of its tools (tests/vectors/llama_cpp)
    it should parse rates and times
given any other output
    it should reject it with the tool's name
given a folder without its programs, or no folder
    it should say what is missing
given a program that fails or does not exist
    it should raise CompetitorFailed with the last line of output
"""

import json
from pathlib import Path

import pytest

from benchmarks.errors import CompetitorFailed, OutputUnknown
from benchmarks.runtime.measurement.workload import FULL
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.systems.llama_cpp import LlamaCpp, Programs, find_programs, quantized
from benchmarks.runtime.systems.llama_cpp_output import parse_batched_bench, parse_bench

RECORDED = Path(__file__).parent.parent / "vectors" / "llama_cpp"
BENCH = (RECORDED / "llama-bench.json").read_text()
BATCHED = (RECORDED / "llama-batched-bench.jsonl").read_text()


def test_parse_bench__recorded_output__gives_both_rates() -> None:
    sample = parse_bench(BENCH)
    assert sample.prefill_tokens_per_second == pytest.approx(397.97, abs=0.01)
    assert sample.decode_tokens_per_second == pytest.approx(40.665, abs=0.001)
    assert sample.first_token_seconds == pytest.approx(0.643265, abs=1e-5)
    assert sample.total_tokens_per_second == pytest.approx(384 / (0.643265 + 3.147664), rel=1e-4)
    assert sample.token_gap_p50_seconds is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "llama_model_load: error",
        "[]",
        "{}",
        json.dumps(json.loads(BENCH)[:1]),
        json.dumps([{**row, "avg_ts": 0} for row in json.loads(BENCH)]),
        BENCH.replace('"avg_ts"', '"rate"'),
    ],
)
def test_parse_bench__other_output__is_rejected(text: str) -> None:
    with pytest.raises(OutputUnknown, match="llama-bench printed"):
        parse_bench(text)


def test_parse_batched_bench__recorded_output__gives_the_line_of_those_streams() -> None:
    sample = parse_batched_bench("some line\n" + BATCHED, 8)
    assert sample.prefill_tokens_per_second == pytest.approx(357.13, abs=0.01)
    assert sample.decode_tokens_per_second == pytest.approx(24.465, abs=0.001)
    assert sample.total_tokens_per_second == pytest.approx(64.55, abs=0.01)
    assert sample.first_token_seconds == pytest.approx(5.7346, abs=1e-4)


@pytest.mark.parametrize("text", ["", BATCHED.replace("speed_tg", "rate"), "{"])
def test_parse_batched_bench__other_output__is_rejected(text: str) -> None:
    with pytest.raises(OutputUnknown, match="llama-batched-bench printed"):
        parse_batched_bench(text, 8)


def test_parse_batched_bench__other_number_of_streams__is_rejected() -> None:
    with pytest.raises(OutputUnknown, match="0 rows instead of 1"):
        parse_batched_bench(BATCHED, 32)


def programs_in(folder: Path, server: str, script: str = "exit 0") -> Programs:
    for name in ("llama-bench", "llama-batched-bench", "llama-quantize", server):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    found = find_programs(str(folder))
    assert isinstance(found, Programs)
    return found


@pytest.mark.parametrize("folder", [None, ""])
def test_find_programs__no_folder_named__says_so(folder: str | None) -> None:
    assert find_programs(folder) == "LLAMA_CPP_BIN is not set"


def test_find_programs__folder_without_them__names_each(tmp_path: Path) -> None:
    (tmp_path / "llama-bench").touch()
    found = find_programs(str(tmp_path))
    assert isinstance(found, str)
    assert "llama-batched-bench, llama-quantize, ggml-rpc-server or rpc-server" in found


@pytest.mark.parametrize("server", ["ggml-rpc-server", "rpc-server"])
def test_find_programs__either_name_of_the_server__is_found(tmp_path: Path, server: str) -> None:
    assert programs_in(tmp_path, server).server == tmp_path / server


def test_quantized__program_fails__reports_its_last_line_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    programs = programs_in(tmp_path, "rpc-server", "echo first >&2; echo no memory >&2; exit 3")
    with pytest.raises(CompetitorFailed, match="llama-quantize failed: no memory"):
        quantized(programs, tmp_path / "model.gguf", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_start__server_that_ends__is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "benchmarks.runtime.systems.llama_cpp.quantized", lambda *_: tmp_path / "q8.gguf"
    )
    model = BenchmarkModel("model", tmp_path, tmp_path / "model.gguf")
    system = LlamaCpp(model, FULL, programs_in(tmp_path, "rpc-server"), 2, 1)
    assert system.unavailable_reason is None
    with (
        pytest.raises(CompetitorFailed, match="rpc-server failed: it does not listen"),
        system.start(),
    ):
        pass


def test_start__program_with_an_illegal_instruction__runs_without_repacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like llama.cpp's AMX code on machines that announce AMX but do not execute it."""
    script = f"""case "$*" in
        *"--repack 0"*) cat {RECORDED / "llama-bench.json"};;
        *--version*) echo "version: 9 (commit abc)";;
        *) kill -ILL $$;;
    esac"""
    monkeypatch.setattr(
        "benchmarks.runtime.systems.llama_cpp.quantized", lambda *_: tmp_path / "q8.gguf"
    )
    model = BenchmarkModel("model", tmp_path, tmp_path / "model.gguf")
    system = LlamaCpp(model, FULL, programs_in(tmp_path, "rpc-server", script), 0, 1)
    with system.start() as running:
        assert running.sample(1).decode_tokens_per_second == pytest.approx(40.665, abs=0.001)
        assert running.note.startswith("build 9 (commit abc), run without repacked weights")

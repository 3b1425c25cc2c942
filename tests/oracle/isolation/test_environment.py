# SPDX-License-Identifier: Apache-2.0
"""The environment of the process.

given a variable by which a program loads code, or writes its secrets out
    it should end the start, and its value should not be shown
given a Python that is not isolated
    a machine that is not simulated should refuse to start
given a proxy, a CA bundle, or any other variable that is not listed
    it should be removed before a library can read it
"""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import structlog

import oracle.isolation.environment
from oracle.errors import StartUpRefused
from oracle.isolation.environment import REFUSED, REFUSED_BY_PYTHON, isolate_environment
from oracle.process import startup
from oracle.process.settings import Settings

IGNORED = (
    *("HTTP_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "DBOS_CONDUCTOR_URL", "HF_ENDPOINT", "TORCH_LOGS"),
)


@pytest.mark.parametrize("name", sorted(REFUSED | REFUSED_BY_PYTHON))
def test_m14_isolate__variable_loads_code_or_writes_keys__is_refused_by_name(name: str) -> None:
    with pytest.raises(StartUpRefused) as refused:
        isolate_environment({name: "/data/evil"}, is_isolated=False)
    assert name in str(refused.value)
    assert "evil" not in str(refused.value)


def test_m14_isolate__python_ignores_its_variables__they_are_removed() -> None:
    environment = {"PYTHONPATH": "/data/evil", "PATH": "/usr/bin"}
    isolate_environment(environment, is_isolated=True)
    assert environment == {"PATH": "/usr/bin"}


def test_m14_isolate__proxies_bundles_and_telemetry__are_removed() -> None:
    environment = dict.fromkeys(IGNORED, "http://evil.invalid") | {"TEETEE_MODEL": "m", "TZ": "UTC"}
    isolate_environment(environment, is_isolated=False)
    assert environment == {"TEETEE_MODEL": "m", "TZ": "UTC"}


@pytest.mark.parametrize(("name", "value"), [("SSLKEYLOGFILE", "keys.log"), ("PYTHONINSPECT", "1")])
def test_m14_run__variable_loads_code_or_writes_keys__ends_with_status_1(
    name: str, value: str
) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "oracle", "run"],
        env={**os.environ, name: value},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert f"the environment sets {name}" in finished.stderr
    assert "StartUpRefused" in finished.stderr


START = """
import sys
sys.path.insert(0, sys.argv[1])
from oracle.errors import StartUpRefused
from oracle.isolation.environment import refuse_user_packages
try:
    refuse_user_packages()
    print("started")
except StartUpRefused as refused:
    print(refused)
"""


@pytest.mark.parametrize(
    ("options", "is_started"), [(["-I"], True), (["-s"], False), (["-E"], False), ([], False)]
)
def test_a12_refuse_user_packages__python__must_be_isolated(
    options: list[str], is_started: bool
) -> None:
    root = str(Path(oracle.__file__).parent.parent)
    output = run_python(sys.executable, *options, "-c", START, root)
    assert ("started" in output) == is_started
    assert ("python -I -m oracle run" in output) != is_started


def test_a12_home_of_the_hosts__isolated_python__loads_no_code_from_it(tmp_path: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = tmp_path / ".local/lib" / version / "site-packages"
    folder.mkdir(parents=True)
    (folder / "usercustomize.py").write_text("print('code of the host')")
    interpreter = os.path.realpath(sys.executable)  # outside the virtual environment
    assert run_python(interpreter, "-I", "-c", "print(7)", HOME=str(tmp_path)) == "7\n"


@pytest.mark.parametrize(("is_simulated", "is_started"), [(True, True), (False, False)])
def test_a12_start__python_is_not_isolated__only_a_simulated_machine_starts(
    monkeypatch: pytest.MonkeyPatch, is_simulated: bool, is_started: bool
) -> None:
    monkeypatch.setattr(startup, "refuse_swap", lambda: None)
    monkeypatch.setattr(
        oracle.isolation.environment,
        "sys",
        SimpleNamespace(flags=SimpleNamespace(isolated=0)),
    )
    settings = cast(Settings, SimpleNamespace(simulated=is_simulated))
    with nullcontext() if is_started else pytest.raises(StartUpRefused, match="not isolated"):
        startup._check_machine(settings, structlog.get_logger())


def run_python(*arguments: str, **environment: str) -> str:
    finished = subprocess.run(
        arguments,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.stdout

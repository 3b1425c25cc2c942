# SPDX-License-Identifier: Apache-2.0
"""The environment of the process.

given a variable by which a program loads code, or writes its secrets out
    it should end the start, and its value should not be shown
given a proxy, a CA bundle, or any other variable that is not listed
    it should be removed before a library can read it
"""

import os
import subprocess
import sys

import pytest

from oracle.errors import StartUpRefused
from oracle.isolation.environment import REFUSED, REFUSED_BY_PYTHON, isolate_environment

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

# SPDX-License-Identifier: Apache-2.0
"""The example in the documentation of `teetee.client`.

given enclaves that answer, and a wallet in the environment
    when the example runs as it is printed
        it should print the answer, and that it is verified
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

import teetee.client
from tests.teetee.chain.local_chain import TEE
from tests.teetee.client.lab import ANSWER, AtWork, Lab

pytestmark = pytest.mark.timeout(60)


def example() -> str:
    lines = (teetee.client.__doc__ or "").splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    ")))


def test_example__run_as_printed__prints_a_verified_answer(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = example()
    for printed, real in (
        ("deployments/base-local.json", str(lab.deployment_file)),
        ("http://127.0.0.1:8545", lab.chain.url),
        ("https://api.trustedservices.intel.com", lab.pccs_url),
    ):
        assert source.count(f'"{printed}"') == 1
        source = source.replace(printed, real)
    requester = lab.world.account("requester", tokens=TEE)
    monkeypatch.setenv("TEETEE_PRIVATE_KEY", requester.key.hex())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with AtWork(lab, lambda opened: lab.settle(opened, lab.enclaves[:3])):
        exec(compile(source, "teetee.client", "exec"), {})
    assert capsys.readouterr().out == f"{ANSWER}\nTrue\n"

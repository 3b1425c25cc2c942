# SPDX-License-Identifier: Apache-2.0
"""The conditions of the simulated PCCS, as dcap-qvl sees them.

given a PCCS with conditions
    when they are the defaults
        it should serve collateral by which the machines are up to date
    when a certificate is revoked, a TCB level is lowered, or everything is expired
        dcap-qvl should report it
    when there are two evaluation numbers
        it should serve each on request, and nothing for a third
given its conditions endpoint
    when conditions are put there
        it should apply them immediately, and keep them for the next start
    when they are invalid
        it should reject them and change nothing
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dcap_qvl
import httpx
import pytest

from tee_simulator import SimulatedPki
from tee_simulator.collateral.conditions import Conditions, ConditionsFile
from tee_simulator.collateral.pccs import Pccs
from tee_simulator.errors import ConditionsInvalid
from tee_simulator.guest.machine import Machine
from tee_simulator.guest.measurements import GuestMeasurements
from tee_simulator.http_server import HttpServer
from tests.tee_simulator.conftest import AT

PKI = SimulatedPki.from_seed(b"p" * 32)
MACHINE = Machine.from_seed(b"m" * 32, PKI, AT)
QUOTE = MACHINE.quote(
    GuestMeasurements.of(compose_hash=bytes(32), app_id=bytes(20), instance_id=bytes(20)), b"r" * 64
)
SERIAL = f"{MACHINE.pck.serial_number:x}"
TCB = "/tdx/certification/v4/tcb?fmspc=53494D544458"
CONTROL = "/simulation/conditions"


@pytest.fixture
def conditions(tmp_path: Path) -> ConditionsFile:
    return ConditionsFile(tmp_path)


@pytest.fixture
def url(conditions: ConditionsFile) -> Iterator[str]:
    with HttpServer.on_loopback(0, Pccs(PKI, lambda: AT, conditions)) as listener:
        yield f"http://127.0.0.1:{listener.port}"


def judged(url: str) -> str:
    """dcap-qvl's status, or its complaint."""

    async def fetch() -> Any:
        return await dcap_qvl.get_collateral(url, QUOTE)

    collateral = asyncio.run(fetch())
    try:
        report = dcap_qvl.verify_with_root_ca(QUOTE, collateral, PKI.root.der, int(AT.timestamp()))
    except ValueError as error:
        return str(error)
    return str(report.status)


def test_pccs__nothing_wrong__up_to_date(url: str) -> None:
    assert judged(url) == "UpToDate"


@pytest.mark.parametrize(
    ("wrong", "verdict"),
    [
        pytest.param(Conditions(revoked_pcks=(SERIAL,)), "CertRevoked", id="PCK revoked"),
        pytest.param(Conditions(platform_ca_revoked=True), "CertRevoked", id="authority revoked"),
        pytest.param(Conditions(tcb_signing_revoked=True), "CertRevoked", id="signer revoked"),
        pytest.param(Conditions(expired=True), "expired", id="all expired"),
        pytest.param(Conditions(platform_status="OutOfDate"), "OutOfDate", id="TCB lowered"),
        pytest.param(
            Conditions(platform_status="ConfigurationAndSWHardeningNeeded"),
            "ConfigurationAndSWHardeningNeeded",
            id="configuration and hardening",
        ),
        pytest.param(Conditions(platform_status="Revoked"), "Revoked", id="TCB revoked"),
        pytest.param(Conditions(module_status="OutOfDate"), "OutOfDate", id="module behind"),
        pytest.param(Conditions(qe_status="Revoked"), "Revoked", id="quoting enclave revoked"),
    ],
)
def test_pccs__something_wrong__dcap_qvl_says_so(
    url: str, conditions: ConditionsFile, wrong: Conditions, verdict: str
) -> None:
    assert judged(url) == "UpToDate"
    conditions.write(wrong)
    assert verdict.lower() in judged(url).lower()


def test_pccs__two_evaluation_numbers__each_on_request(
    url: str, conditions: ConditionsFile
) -> None:
    conditions.write(Conditions(evaluation_number=20, early_number=21))

    def found(query: str) -> tuple[int, str]:
        info = httpx.get(url + TCB + query).json()["tcbInfo"]
        return info["tcbEvaluationDataNumber"], info["tcbLevels"][-1]["tcbStatus"]

    standard, early = (20, "UpToDate"), (21, "OutOfDate")
    assert found("") == found("&update=standard") == standard
    assert found("&tcbEvaluationDataNumber=20") == standard
    assert found("&update=early") == found("&tcbEvaluationDataNumber=21") == early
    assert httpx.get(url + TCB + "&tcbEvaluationDataNumber=22").status_code == 404


def test_control__put__served_at_once_and_kept(url: str, conditions: ConditionsFile) -> None:
    answer = httpx.put(url + CONTROL, content=json.dumps({"platform_status": "OutOfDate"}))
    assert answer.json()["platform_status"] == "OutOfDate"
    assert judged(url) == "OutOfDate"
    assert conditions.read() == Conditions(platform_status="OutOfDate")
    assert httpx.get(url + CONTROL).json() == answer.json()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("no JSON", id="not JSON"),
        pytest.param("[]", id="not an object"),
        pytest.param('{"weather": "fine"}', id="unknown"),
        pytest.param('{"platform_status": "Fine"}', id="no status of Intel's"),
        pytest.param('{"qe_status": "SWHardeningNeeded"}', id="no status of an enclave"),
        pytest.param('{"evaluation_number": 256}', id="number too high"),
        pytest.param('{"revoked_pcks": "ab"}', id="serials not in a list"),
        pytest.param('{"revoked_pcks": ["xy"]}', id="serials not in hex"),
        pytest.param('{"expired": 1}', id="neither true nor false"),
    ],
)
def test_control__what_are_no_conditions__is_rejected(url: str, body: str) -> None:
    with pytest.raises(ConditionsInvalid):
        Conditions.parse(body)
    answer = httpx.put(url + CONTROL, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("SIMULATED: These conditions cannot be simulated")
    assert httpx.get(url + CONTROL).json() == json.loads(Conditions().to_json())

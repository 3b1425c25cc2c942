"""What the simulated Intel can be told to say.

given the collateral service
    when a knob is turned
        it should sign anew, with an issue date that is later, and say what it was told
    when the document is none
        it should refuse, and stay as it was
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tee_simulator.enclave import utc_now
from tee_simulator.pccs import KNOBS_PATH, Pccs
from tee_simulator.pki import TestPki


@pytest.fixture
def pccs(tmp_path: Path) -> Pccs:
    return Pccs(TestPki.open(tmp_path), utc_now)


def turn(pccs: Pccs, **knobs: Any) -> int:
    return int(pccs.respond("POST", KNOBS_PATH, json.dumps(knobs).encode()).status)


def test_turn__revoked_serials__are_on_the_list_and_later(pccs: Pccs) -> None:
    before = pccs.current()
    assert turn(pccs, revokedSerials=["0abc", "7f" * 20]) == 200
    after = pccs.current()
    crl = x509.load_der_x509_crl(after.pck_crl)
    assert {entry.serial_number for entry in crl} == {0xABC, int("7f" * 20, 16)}
    assert len(x509.load_der_x509_crl(after.root_ca_crl)) == 0
    assert before.issued_at < after.issued_at <= utc_now()


def test_turn__authority_is_revoked__is_on_the_roots_list(pccs: Pccs) -> None:
    turn(pccs, isAuthorityRevoked=True)
    assert len(x509.load_der_x509_crl(pccs.current().root_ca_crl)) == 1


def test_turn__status_and_number__are_in_the_tcb_info(pccs: Pccs) -> None:
    turn(pccs, tcbStatus="OutOfDate", advisoryIds=["INTEL-SA-00042"], evaluationNumber=21)
    tcb_info = json.loads(pccs.current().tcb_info)
    assert tcb_info["tcbEvaluationDataNumber"] == 21
    assert tcb_info["tcbLevels"][0]["tcbStatus"] == "OutOfDate"
    assert tcb_info["tcbLevels"][0]["advisoryIDs"] == ["INTEL-SA-00042"]
    assert json.loads(pccs.current().qe_identity)["tcbLevels"][0]["tcbStatus"] == "UpToDate"


def test_turn__life__ends_so_long_after_now(pccs: Pccs) -> None:
    turn(pccs, lifeSeconds=90)
    left = pccs.current().next_update - utc_now()
    assert timedelta(seconds=80) < left <= timedelta(seconds=90)
    turn(pccs, lifeSeconds=None)
    assert pccs.current().next_update - utc_now() > timedelta(days=28)


def test_turn__many_times__each_later_and_none_in_the_future(pccs: Pccs) -> None:
    dates = []
    for _ in range(20):
        turn(pccs)
        dates.append(pccs.current().issued_at)
    assert dates == sorted(set(dates))
    assert dates[-1] <= utc_now()


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", "is not an object"),
        (b'{"speed": 1}', "names speed"),
        (b'{"revokedSerials": ["xyz"]}', "has a revokedSerials that is none"),
        (b'{"revokedSerials": ["' + b"ff" * 20 + b'"]}', "has a revokedSerials that is none"),
        (b'{"revokedSerials": [1]}', "has a revokedSerials that is none"),
        (b'{"isAuthorityRevoked": 1}', "has a isAuthorityRevoked that is none"),
        (b'{"tcbStatus": "Fine"}', "has a tcbStatus that is none"),
        (b'{"tcbStatus": []}', "has a tcbStatus that is none"),
        (b'{"advisoryIds": ["X"]}', "has a advisoryIds that is none"),
        (b'{"evaluationNumber": 256}', "has a evaluationNumber that is none"),
        (b'{"lifeSeconds": 0}', "has a lifeSeconds that is none"),
    ],
)
def test_turn__not_a_document_of_knobs__refused(pccs: Pccs, document: bytes, rule: str) -> None:
    before = pccs.current()
    answer = pccs.respond("POST", KNOBS_PATH, document)
    assert answer.status == 400
    assert rule in json.loads(answer.body)["error"]
    assert pccs.current() is before


def test_turn__asked_for_with_get__is_not_there(pccs: Pccs) -> None:
    assert pccs.respond("GET", KNOBS_PATH, b"").status == 404

# SPDX-License-Identifier: Apache-2.0
"""A simulated enclave.

given a folder and a name
    when the enclave is opened again
        it should have the same keys and the same platform
    when another one is opened
        it should have other keys, another platform and the same measurement
given its quote
    it should have the layout of a recorded quote, and equal it byte for byte where facts agree
    it should carry the report data, the compose document's hash and no debug bit
    its event log should replay to RTMR3
"""

import hashlib
import json
from pathlib import Path

import pytest

from tee_simulator import SimulatedEnclave, SimulatedPki
from tee_simulator.errors import IdentityDamaged, NameInvalid
from tee_simulator.guest.compose import Compose
from teetee.quotes.certificates.pck_chain import platform_id
from teetee.quotes.quote import Quote

QUOTES = Path(__file__).parents[1] / "vectors" / "attestation" / "quotes"
RECORDED = "tdx_v4_b0c06f_near_mpc.bin"

COMPOSE = b'{"manifest_version": 2, "name": "app", "runner": "docker-compose"}'


def test_open__again__same_keys_and_platform(tmp_path: Path, pki: SimulatedPki) -> None:
    first = SimulatedEnclave.open(tmp_path, "entry", pki)
    again = SimulatedEnclave.open(tmp_path, "entry", pki)
    assert again.get_key("teetee/v1/signer") == first.get_key("teetee/v1/signer")
    assert again.get_quote(b"r" * 64) == first.get_quote(b"r" * 64)
    assert again.app_keys == first.app_keys


def test_open__two_names__two_machines_with_one_measurement(
    tmp_path: Path, pki: SimulatedPki
) -> None:
    entry = SimulatedEnclave.open(tmp_path, "entry", pki)
    middle = SimulatedEnclave.open(tmp_path, "middle", pki)
    assert entry.get_key("path") != middle.get_key("path")
    assert entry.instance_id != middle.instance_id
    one, other = entry.get_quote(bytes(64)), middle.get_quote(bytes(64))
    assert platform_id(Quote.parse(one).pck_chain_der()[0]) != platform_id(
        Quote.parse(other).pck_chain_der()[0]
    )
    assert Quote.parse(one).attestation_key != Quote.parse(other).attestation_key
    assert Quote.parse(one).report.measurement == Quote.parse(other).report.measurement


def test_open__its_secrets__are_closed_to_others(tmp_path: Path, pki: SimulatedPki) -> None:
    SimulatedEnclave.open(tmp_path, "entry", pki)
    for name in ("machine.seed", "kms.key"):
        assert (tmp_path / "entry" / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 65, "a b"])
def test_open__unfit_name__is_rejected(tmp_path: Path, pki: SimulatedPki, name: str) -> None:
    with pytest.raises(NameInvalid):
        SimulatedEnclave.open(tmp_path, name, pki)


def test_open__under_another_root__is_rejected(tmp_path: Path, pki: SimulatedPki) -> None:
    SimulatedEnclave.open(tmp_path, "entry", pki)
    with pytest.raises(IdentityDamaged, match=r"pck\.der was not issued to this machine"):
        SimulatedEnclave.open(tmp_path, "entry", SimulatedPki.from_seed(b"q" * 32))


def test_get_quote__beside_a_recorded_one__equal_wherever_nothing_differs(
    enclave: SimulatedEnclave,
) -> None:
    recorded = (QUOTES / RECORDED).read_bytes()
    simulated = enclave.get_quote(bytes(64))
    assert len(simulated) == len(recorded) == 5006
    actual, theirs = Quote.parse(simulated), Quote.parse(recorded)
    # version to vendor; what stays of the user data is an identifier of the QE
    assert actual.header[:28] == theirs.header[:28]
    assert actual.header[44:] == theirs.header[44:] == bytes(4)
    mine, real = actual.report, theirs.report
    for same in ("mr_signer_seam", "seam_attributes", "td_attributes", "xfam", "mr_owner"):
        assert getattr(mine, same) == getattr(real, same)
    assert mine.mr_config_id[:1] == real.mr_config_id[:1] == b"\x01"
    assert mine.mr_config_id[33:] == real.mr_config_id[33:] == bytes(15)
    # the QE's report: all but its security versions, its measurement and what it reports
    for first, end in ((16, 64), (96, 258), (260, 320), (352, 384)):
        assert actual.qe_report[first:end] == theirs.qe_report[first:end]
    assert actual.qe_auth_data == theirs.qe_auth_data
    assert actual.pck_chain[-2:] == theirs.pck_chain[-2:] == b"\n\x00"


def test_get_quote__its_report__is_of_the_compose_document(
    tmp_path: Path, pki: SimulatedPki
) -> None:
    compose = Compose.parse(COMPOSE, "a test")
    enclave = SimulatedEnclave.open(tmp_path, "entry", pki, compose)
    report = Quote.parse(enclave.get_quote(b"r" * 64)).report
    assert report.report_data == b"r" * 64
    assert report.mr_config_id == b"\x01" + hashlib.sha256(COMPOSE).digest() + bytes(15)
    assert report.td_attributes == bytes.fromhex("0000001000000000")


def test_get_quote__another_compose_document__another_measurement(
    tmp_path: Path, pki: SimulatedPki
) -> None:
    default = SimulatedEnclave.open(tmp_path, "entry", pki)
    other = SimulatedEnclave.open(tmp_path, "entry", pki, Compose.parse(COMPOSE, "a test"))
    assert (
        Quote.parse(default.get_quote(bytes(64))).report.measurement
        != Quote.parse(other.get_quote(bytes(64))).report.measurement
    )


@pytest.mark.parametrize("size", [0, 63, 65])
def test_get_quote__report_data_of_another_size__is_rejected(
    enclave: SimulatedEnclave, size: int
) -> None:
    with pytest.raises(ValueError, match=f"report data must have 64 bytes, not {size}"):
        enclave.get_quote(bytes(size))


def test_event_log__replayed_by_hand__gives_the_registers(enclave: SimulatedEnclave) -> None:
    registers = [bytes(48)] * 4
    for event in json.loads(enclave.measurements.event_log):
        digest = bytes.fromhex(event["digest"])
        parts = (
            event["event_type"].to_bytes(4, "little"),
            event["event"].encode(),
            bytes.fromhex(event["event_payload"]),
        )
        assert digest == hashlib.sha384(b":".join(parts)).digest()
        register = registers[event["imr"]]
        registers[event["imr"]] = hashlib.sha384(register + digest).digest()
    assert tuple(registers) == Quote.parse(enclave.get_quote(bytes(64))).report.rtmrs


def test_event_log__recorded_compose_event__hashed_the_same_way(enclave: SimulatedEnclave) -> None:
    """`system-ready` has no payload, so its digest is the same in every dstack guest."""
    (ready,) = [event for event in enclave.measurements.events if event.name == "system-ready"]
    assert ready.digest.hex().startswith("1a76b2a80a0be71eae59f80945d876351a7a3fb8")

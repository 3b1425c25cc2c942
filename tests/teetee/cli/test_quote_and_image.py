# SPDX-License-Identifier: Apache-2.0
"""`teetee quote show` and `teetee image measure`: files in, tables or JSON out, no chain.

given a recorded quote of any version, raw or as hexadecimal
    it should show every part: header, report with bits by name, quoting enclave, platform
given a quote that brings no PCK certificate
    it should show the rest, and say why there is no platform
given anything else
    it should exit 1 with one sentence
given an app-compose document
    it should give the hash and the MRCONFIGID which real quotes of that document carry
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.teetee.cli.terminal import teetee
from tests.teetee.quotes import recorded

COMPOSE = recorded.VECTORS / "compose" / "near_mpc_app_compose.json"
QUOTES = sorted(path.stem for path in (recorded.VECTORS / "quotes").iterdir())


def path_of(name: str) -> str:
    return str(recorded.VECTORS / "quotes" / f"{name}.bin")


def test_show__tdx_v4_as_hexadecimal__every_part(tmp_path: Path) -> None:
    hexadecimal = tmp_path / "quote.hex"
    hexadecimal.write_text("0x" + recorded.quote(recorded.NEAR_MPC).hex() + "\n")
    result = teetee("quote", "show", str(hexadecimal), "--json")
    assert result.status == 0
    shown = result.json
    assert shown == teetee("quote", "show", path_of(recorded.NEAR_MPC), "--json").json
    assert (shown["header"]["version"], shown["header"]["tee"]) == (4, "TDX")
    assert shown["tdReport"]["tdAttributes"]["bits"] == ["SEPT_VE_DISABLE"]
    assert shown["tdReport"]["mrConfigIdKind"] == (
        "dstack version 1: compose hash "
        "2911e1f733466216dedb862d6d669e11256ee7a34ce4dbc66c4b807ba7a9c895"
    )
    assert shown["platform"]["fmspc"] == "B0C06F000000"
    assert shown["platform"]["ppid"] == "d208dfb1002346ae1bb4ef2a3c055292"
    assert shown["platform"]["pceSvn"] == 11
    assert shown["platform"]["issuer"] == "Intel SGX PCK Platform CA"
    assert shown["size"] == {"bytes": 4936, "bytesBehind": 70, "behindIsZero": True}
    expected = recorded.vectors()["intel"]["quotes"][recorded.NEAR_MPC]
    assert "0x" + shown["tdReport"]["measurement"] == expected["measurement"]
    assert "0x" + shown["certificates"]["pckId"] == expected["pckId"]


def test_show__tdx_v5__has_what_version_5_adds() -> None:
    shown = teetee("quote", "show", path_of("tdx_v5_90c06f_alibaba_servicetd"), "--json").json
    assert shown["header"]["body"] == "TD 1.5"
    assert shown["tdReport"]["mrServiceTd"].strip("0") != ""
    assert shown["enclaveReport"] is None


def test_show__sgx_without_certificates__says_why() -> None:
    shown = teetee("quote", "show", path_of("sgx_v3_oasis_eppid_certtype3"), "--json").json
    assert shown["tdReport"] is None
    assert shown["platform"] is None
    assert shown["certificates"]["problem"] == (
        "certification data of type 3: encrypted PPID, no certificates"
    )


@pytest.mark.parametrize("name", QUOTES)
def test_show__every_recorded_quote__also_as_a_table(name: str) -> None:
    result = teetee("quote", "show", path_of(name))
    assert result.status == 0
    assert "Quoting enclave" in result.out
    assert result.err == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.sampled_from([b"", *(bytes([v, 0, 2, 0, 0x81, 0, 0, 0]) for v in (3, 4, 5))]),
    rest=st.binary(),
)
def test_show__any_bytes__one_sentence(tmp_path: Path, head: bytes, rest: bytes) -> None:
    file = tmp_path / "quote.bin"
    file.write_bytes(head + rest)
    result = teetee("quote", "show", str(file), "--json")
    assert result.status == 1
    assert result.json["error"]["name"] in ("QuoteMalformed", "QuoteUnreadable")


def test_show__no_such_file__says_so() -> None:
    result = teetee("quote", "show", "nowhere.bin")
    assert result.status == 1
    assert result.err == (
        "error: No quote can be read from nowhere.bin: No such file or directory. Name a file with "
        "the quote's bytes, raw, in hexadecimal or in base64, or with JSON that contains one.\n"
    )


def test_measure__a_real_compose_document__what_its_quote_carries() -> None:
    result = teetee("image", "measure", str(COMPOSE), "--json")
    assert result.status == 0
    report = teetee("quote", "show", path_of(recorded.NEAR_MPC), "--json").json["tdReport"]
    assert result.json["mrConfigId"] == report["mrConfigId"]
    assert result.json["composeHash"] == report["mrConfigId"][2:66]


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        ("services: {}\n", "is not JSON in UTF-8"),
        ("[]", "is not a JSON object"),
        (json.dumps({"runner": "docker-compose"}), "has no manifest_version"),
        (json.dumps({"manifest_version": 2}), "has no runner"),
        (
            json.dumps({"manifest_version": 2, "runner": "r", "name": 1}),
            "has a name that is no text",
        ),
        ('"' + "a" * (256 * 1024) + '"', "has more than 262144 bytes"),
    ],
)
def test_measure__not_a_compose_document__refused(tmp_path: Path, document: str, rule: str) -> None:
    file = tmp_path / "compose"
    file.write_text(document)
    result = teetee("image", "measure", str(file), "--json")
    assert result.status == 1
    assert result.json["error"]["name"] == "ComposeInvalid"
    assert rule in result.json["error"]["message"]

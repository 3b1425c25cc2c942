# SPDX-License-Identifier: Apache-2.0
"""`teetee quote check` with what people give it by mistake, and in the forms in which they keep it.

given a quote, collateral and a second, each in any form in which it is kept
    it should judge, and exit 0 when both judges agree
given no quote, no collateral, no second, no root
    it should exit 1 with one sentence on stderr that names the value and says what to do,
    and the same in an object on stdout with --json
given an option that cannot be understood
    it should exit 2
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.teetee.chain.local_chain import compile_contracts
from tests.teetee.cli.terminal import CliResult, teetee
from tests.teetee.quotes import recorded

CASE = next(
    case
    for case in json.loads((recorded.VECTORS / "cases.json").read_text())["cases"]
    if case["result"]["ok"]
)
QUOTE = recorded.quote(CASE["quote"])
COLLATERAL = recorded.VECTORS / "collateral" / CASE["collateral"]
AT = str(CASE["at"])


@pytest.fixture(scope="module", autouse=True)
def contracts() -> None:
    compile_contracts()


def check(quote: Path, *more: str, collateral: Path = COLLATERAL, at: str = AT) -> CliResult:
    return teetee(
        *("quote", "check", str(quote), "--collateral", str(collateral), "--at", at, *more)
    )


def written(folder: Path, content: bytes, name: str = "quote") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def lines_of(text: bytes, size: int) -> bytes:
    return b"\r\n".join(text[start : start + size] for start in range(0, len(text), size))


def pem_crl(der: bytes) -> bytes:
    body = lines_of(base64.b64encode(der), 64)
    return b"-----BEGIN X509 CRL-----\n" + body + b"\n-----END X509 CRL-----\n"


@pytest.mark.parametrize(
    "kept",
    [
        QUOTE,
        QUOTE + bytes(5000),
        QUOTE.hex().encode(),
        QUOTE.hex().upper().encode() + b"\n",
        b"0x" + QUOTE.hex().encode() + b"\r\n",
        b'"' + QUOTE.hex().encode() + b'"\n',
        lines_of(QUOTE.hex().encode(), 64),
        base64.b64encode(QUOTE),
        base64.urlsafe_b64encode(QUOTE).rstrip(b"="),
        lines_of(base64.b64encode(QUOTE), 76) + b"\n",
    ],
    ids=[
        *("raw", "zeros behind", "hex", "HEX", "0x", "quoted", "hex lines"),
        *("base64", "base64url", "base64 lines"),
    ],
)
def test_check__a_quote_in_any_form_it_is_kept_in__accepted(tmp_path: Path, kept: bytes) -> None:
    result = check(written(tmp_path, kept), "--json")
    assert result.status == 0
    assert result.json["agree"] is True
    assert result.json["onChain"]["status"] == CASE["result"]["status"]


@pytest.mark.parametrize("file", ["pck_crl.der", "root_ca_crl.der"])
@pytest.mark.parametrize("form", [pem_crl, lambda der: der.hex().encode() + b"\n"])
def test_check__a_crl_as_pem_or_hexadecimal__accepted(
    tmp_path: Path, file: str, form: Callable[[bytes], bytes]
) -> None:
    folder = Path(shutil.copytree(COLLATERAL, tmp_path / "set"))
    (folder / file).write_bytes(form((folder / file).read_bytes()))
    result = check(written(tmp_path, QUOTE), "--json", collateral=folder)
    assert result.json["onChain"]["ok"], result.json
    assert result.status == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        (b"", "it is empty"),
        (bytes((1 << 22) + 1), "it has more than 4194304 bytes"),
        (QUOTE.hex().encode()[:-1], "it has an odd number of hexadecimal digits"),
    ],
    ids=["missing", "empty", "huge", "odd"],
)
def test_check__no_quote_in_the_file__says_what_to_do(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "none" if content is None else written(tmp_path, content)
    _expect_sentence(check(path, "--json"), "QuoteUnreadable", str(path), words)


def test_check__a_folder_for_a_quote__says_what_to_do(tmp_path: Path) -> None:
    _expect_sentence(check(tmp_path, "--json"), "QuoteUnreadable", str(tmp_path), "Is a directory")


def test_check__the_folder_around_the_collateral__says_what_to_do(tmp_path: Path) -> None:
    result = check(written(tmp_path, QUOTE), "--json", collateral=COLLATERAL.parent)
    _expect_sentence(
        result, "NoCollateralInFolder", str(COLLATERAL.parent), "none of tcb_info.json"
    )


@pytest.mark.parametrize("at", ["-1", AT + "000", str(2**40), str(2**63), "9" * 40])
def test_check__no_second_of_a_chain__says_what_to_do(tmp_path: Path, at: str) -> None:
    result = check(written(tmp_path, QUOTE), "--json", at=at)
    _expect_sentence(result, "TimeOutOfRange", at, "not milliseconds")


@pytest.mark.parametrize("at", ["0", "1526899509", "2524608000", "4294967296", str(2**40 - 1)])
def test_check__a_second_outside_every_window__both_refuse(tmp_path: Path, at: str) -> None:
    result = check(written(tmp_path, QUOTE), "--json", at=at)
    assert result.status == 0
    assert not result.json["dcapQvl"]["ok"]
    assert not result.json["onChain"]["ok"]


@pytest.mark.parametrize("content", [None, b"", b"hello", bytes(1 << 18)])
def test_check__no_root_certificate__says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    root = tmp_path / "root" if content is None else written(tmp_path, content, "root")
    result = check(written(tmp_path, QUOTE), "--json", "--root-ca", str(root))
    _expect_sentence(result, "CertificateUnreadable", str(root), "DER or PEM")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tcb_info.json", b"<html>404</html>"),
        ("tcb_info.json", b"null"),
        ("tcb_info.json", b"[" * 200_000),
        ("qe_identity.json", b'{"enclaveIdentity":"\xff"}'),
        ("qe_identity.json", b" " * (2 << 20)),
        ("pck_crl.der", b"\x30\x82"),
        ("root_ca_crl.der", b"-----BEGIN X509 CRL-----\nMAA\n-----END X509 CRL-----"),
    ],
)
def test_check__a_file_of_something_else__both_refuse(
    tmp_path: Path, file: str, content: bytes
) -> None:
    folder = Path(shutil.copytree(COLLATERAL, tmp_path / "set"))
    (folder / file).write_bytes(content)
    result = check(written(tmp_path, QUOTE), "--json", collateral=folder)
    assert result.status == 0
    assert result.json["dcapQvl"]["error"]
    assert result.json["onChain"]["error"]


@pytest.mark.parametrize("content", [b"hello\n", b"\x89PNG\r\n" + bytes(900), bytes(900)])
def test_check__bytes_in_no_encoding_of_a_quote__says_so(tmp_path: Path, content: bytes) -> None:
    result = check(written(tmp_path, content), "--json")
    _expect_sentence(result, "QuoteUnreadable", "quote", "encoding not known: it begins with")


@pytest.mark.parametrize("length", [40, 700, 2000])
def test_check__quote_that_is_cut_off__both_refuse(tmp_path: Path, length: int) -> None:
    result = check(written(tmp_path, QUOTE[:length]), "--json")
    assert result.status == 0
    assert not result.json["dcapQvl"]["ok"]
    assert result.json["onChain"]["error"].startswith("Not a quote that TeeTee can read: ")


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%SZ", "%Y%m%dT%H%M%S+00"])
def test_check__a_date_for_the_second__is_that_second(tmp_path: Path, form: str) -> None:
    at = f"{datetime.fromtimestamp(int(AT), UTC):{form}}"
    result = check(written(tmp_path, QUOTE), "--json", at=at)
    assert (result.status, result.json["onChain"]["ok"]) == (0, True)


@pytest.mark.parametrize("at", ["abc", "", "1.5", "2025-06-31", "0x10"])
def test_check__a_second_that_is_no_number__exits_2(tmp_path: Path, at: str) -> None:
    result = check(written(tmp_path, QUOTE), at=at)
    assert result.status == 2
    assert "--at" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("where", ["nowhere", "quote"])
def test_check__no_folder_of_collateral__exits_2(tmp_path: Path, where: str) -> None:
    result = check(written(tmp_path, QUOTE), collateral=tmp_path / where)
    assert result.status == 2
    assert "--collateral" in result.err


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
def test_check__without_a_terminal__a_table_without_colours(
    tmp_path: Path, env: dict[str, str]
) -> None:
    arguments = ("--collateral", str(COLLATERAL), "--at", AT)
    result = teetee("quote", "check", str(written(tmp_path, QUOTE)), *arguments, env=env)
    assert result.status == 0
    assert "they agree" in result.out
    assert "\x1b" not in result.out + result.err


def _expect_sentence(result: CliResult, name: str, value: str, words: str) -> None:
    assert result.status == 1
    error = result.json["error"]
    assert error["name"] == name
    assert value in error["message"]
    assert words in error["message"]
    assert result.err == f"error: {error['message']}\n"

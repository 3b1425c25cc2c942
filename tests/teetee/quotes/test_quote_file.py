# SPDX-License-Identifier: Apache-2.0
"""Quotes as guest agents, verifiers and people save them.

given a recorded quote, in any encoding and any JSON around it
    when the file is read
        it should be the quote's bytes
given JSON with two different quotes, or none
    when the file is read
        it should be refused, and the places or fields named
given bytes or text in another encoding, or evidence of another kind
    when the file is read
        it should say "encoding not known" or what it is, show the beginning, and say what would do
"""

from __future__ import annotations

import base64
import gzip
import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.quotes.errors import QuoteUnreadable
from teetee.quotes.quote import Quote
from teetee.quotes.quote_encodings import NoQuoteFound, find_quote
from teetee.quotes.quote_file import MAX_FILE_BYTES, read_quote
from tests.teetee.quotes import recorded

RAW = recorded.quote(recorded.NEAR_MPC)
OTHER = recorded.quote(recorded.GOOGLE)
HEX = RAW.hex()
BASE64 = base64.b64encode(RAW).decode()
URL_BASE64 = base64.urlsafe_b64encode(RAW).decode()
EVENT_LOG = json.dumps([{"imr": 3, "digest": "ab" * 48, "event": "app-id", "event_payload": ""}])

FORMS: dict[str, str] = {
    "hex": HEX,
    "hex in capitals": HEX.upper(),
    "hex with 0x": "0x" + HEX,
    "hex with 0X and capitals": "0X" + HEX.upper(),
    "hex in lines of 63": textwrap.fill(HEX, 63),
    "hex in lines of 1": "\r\n".join(HEX[:200]) + HEX[200:],
    "hex with colons": ":".join(textwrap.wrap(HEX, 2)),
    "hex with colons in lines": textwrap.fill(":".join(textwrap.wrap(HEX, 2)), 75),
    "hex with dashes": "-".join(textwrap.wrap(HEX, 2)),
    "hex in words": " ".join(textwrap.wrap(HEX, 8)),
    "hex with tabs": "\t" + "\t".join(textwrap.wrap(HEX, 32)) + "\n\n",
    "bytes of a C array": "{" + ", ".join("0x" + each for each in textwrap.wrap(HEX, 2)) + "};",
    "escaped bytes": '"' + "".join(rf"\x{each}" for each in textwrap.wrap(HEX, 2)) + '"',
    "hex in quotation marks": f'"{HEX}"\n',
    "hex in apostrophes": f"'{HEX}'\n",
    "base64": BASE64,
    "base64 in lines of 64": textwrap.fill(BASE64, 64) + "\n",
    "base64 in lines of 61": "\r\n".join(textwrap.wrap(BASE64, 61)),
    "base64 without padding": BASE64.rstrip("="),
    "base64url": URL_BASE64,
    "base64url without padding": URL_BASE64.rstrip("="),
    "data URL": "data:application/octet-stream;base64," + BASE64,
    "PEM": f"-----BEGIN QUOTE-----\n{textwrap.fill(BASE64, 64)}\n-----END QUOTE-----\n",
    "PEM with text before it": (
        f"quote of 2026\n-----BEGIN TDX QUOTE-----\n{BASE64}\n-----END TDX QUOTE-----"
    ),
    "PEM on one line": f"-----BEGIN QUOTE-----{BASE64}-----END QUOTE-----",
    "PEM of hex": f"-----BEGIN QUOTE-----\n{HEX}\n-----END QUOTE-----",
    "base64 of hex": base64.b64encode(HEX.encode()).decode(),
    "hex of base64": BASE64.encode().hex(),
    "hex of hex": HEX.encode().hex(),
    "guest agent": json.dumps(
        {"quote": HEX, "event_log": EVENT_LOG, "report_data": "00" * 64, "vm_config": "{}"}
    ),
    "guest agent, with 0x": json.dumps({"quote": "0x" + HEX, "event_log": EVENT_LOG}),
    "base64 as quote": json.dumps({"quote": BASE64}),
    "base64url as quote": json.dumps({"quote": URL_BASE64.rstrip("=")}),
    "intel_quote": json.dumps({"signing_address": "0x" + "11" * 20, "intel_quote": HEX}),
    "intel_quote in base64, nvidia_payload beside it": json.dumps(
        {
            "intel_quote": BASE64,
            "nvidia_payload": json.dumps({"nonce": "ab" * 32, "evidence_list": [{"arch": "H"}]}),
        }
    ),
    "the same quote twice": json.dumps(
        {"intel_quote": HEX, "all_attestations": [{"intel_quote": BASE64}]}
    ),
    "nested in an answer": json.dumps({"jsonrpc": "2.0", "result": {"data": {"quote": HEX}}}),
    "nested in a list": json.dumps([{"name": "a"}, {"attestation": {"quote": HEX}}]),
    "JSON in a text": json.dumps({"attestation": json.dumps({"quote": HEX})}),
    "another field name": json.dumps({"tdxQuoteHex": HEX}),
    "bytes as numbers": json.dumps({"quote": list(RAW)}),
    "a Buffer of Node": json.dumps({"quote": {"type": "Buffer", "data": list(RAW)}}),
    "numbers alone": json.dumps(list(RAW)),
    "JSON text alone": json.dumps(textwrap.fill(HEX, 63)),
    "JSON in a JSON text": json.dumps(json.dumps({"quote": HEX})),
    "JSON, indented": json.dumps({"quote": HEX}, indent=4) + "\n\n",
}


def in_utf8(text: str) -> bytes:
    return text.encode()


def with_mark(text: str) -> bytes:
    return b"\xef\xbb\xbf" + text.encode()


def in_utf16(text: str) -> bytes:
    return b"\xff\xfe" + text.encode("utf-16-le")


@pytest.mark.parametrize("written", [in_utf8, with_mark, in_utf16])
@pytest.mark.parametrize("form", FORMS)
def test_read_quote__any_form__is_the_quote(
    tmp_path: Path, form: str, written: Callable[[str], bytes]
) -> None:
    path = tmp_path / "quote"
    path.write_bytes(written(FORMS[form]))
    assert read_quote(path).rstrip(b"\0") == RAW.rstrip(b"\0")


@pytest.mark.parametrize("name", [*recorded.TDX_V4, *recorded.TDX_V5, "sgx_v3_00a067_phala"])
def test_find_quote__every_kind__raw_hex_base64_and_json(name: str) -> None:
    raw = recorded.quote(name)
    forms = [raw, raw.hex().encode(), base64.b64encode(raw)]
    forms += [json.dumps({"quote": raw.hex()}).encode()]
    assert {find_quote(form).rstrip(b"\0") for form in forms} == {raw.rstrip(b"\0")}


def test_find_quote__json_with_a_quote_that_ends_with_its_certificates__is_whole() -> None:
    quote = Quote.parse(RAW)
    assert quote.pck_chain.endswith(b"\0")  # which their length counts
    whole = quote.encode()
    forms = [{"quote": whole.hex()}, {"a": whole.hex(), "b": whole.rstrip(b"\0").hex()}]
    assert [find_quote(json.dumps(form).encode()) for form in forms] == [whole, whole]


UNKNOWN: dict[str, tuple[bytes, str]] = {
    "words": (b"hello world!", r"encoding not known: it begins with hello world! \(68 65 6c 6c 6f"),
    "binary": (b"\x90\xff\x00\x01", "encoding not known: it begins with the bytes 90 ff 00 01"),
    "controls": (b"\x01\x02\x03", r"encoding not known: it begins with ··· \(01 02 03\)"),
    "page": (b"<!doctype html><html>", "encoding not known: it begins with <!doctype html><html>"),
    "odd digits": (HEX[:-1].encode(), r"odd number of hexadecimal digits \(10011\)"),
    "hex of something": (b"0xdeadbeef" * 4, "hexadecimal digits are of no quote: they begin with"),
    "base64 of something": (base64.b64encode(b"\xff" * 60), "encoding not known: it begins with"),
    "assignment": (b"quote = " + HEX.encode(), "encoding not known: it begins with quote = 0400"),
    "dump of xxd": (b"00000000: 0400 0200 8100 0000 0000  ......\n", "`xxd -p` writes digits only"),
    "gzip": (gzip.compress(RAW), "compressed with gzip: unpack it"),
    "gzip in base64": (base64.b64encode(gzip.compress(RAW)), "compressed with gzip: unpack it"),
    "token": (b"eyJhbGciOiJSUzI1NiJ9.eyJ0ZHgiOnt9fQ.c2lnbmF0dXJl", "it is a token"),
    "certificate": (
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "it is a certificate",
    ),
    "TDREPORT": (b"\x81\x00\x00\x00".ljust(1024, b"\x01"), "a TDREPORT, which only its own"),
    "SEV-SNP": (b"\x03\x00\x00\x00".ljust(1184, b"\x01"), "an attestation report of AMD SEV-SNP"),
    "broken JSON": (b'{"quote": "' + HEX.encode() + b'"', "it looks like JSON, but is not JSON"),
    "a field twice": (
        f'{{"quote": "{HEX}", "quote": "{OTHER.hex()}"}}'.encode(),
        "it looks like JSON, but has the field quote more than once",
    ),
    "an inner field twice": (
        f'[{{"quote": "{HEX}", "quote": "{OTHER.hex()}"}}]'.encode(),
        "has the field quote more than once",
    ),
    "plus signs as spaces": (
        BASE64.replace("+", " ").encode(),
        "its base64 contains spaces, perhaps in place of plus signs",
    ),
    "two JSON values": (b'{"a": 1}\n{"b": 2}', "it looks like JSON, but is not JSON"),
    "nested JSON": (b'{"a":' * 40_000, "it looks like JSON, but nests lists and objects more than"),
    "nested lists": (b"[" * 200_000, "it looks like JSON, but nests lists and objects more than"),
    "JSON without a quote": (
        b'{"error": "busy", "code": 429}',
        "its JSON contains no quote; it has the fields error, code",
    ),
    "null": (b"null", "encoding not known: it begins with null"),
    "empty list": (b"[]", "its JSON contains no quote"),
    "encoding of a field": (
        b'{"event_log": "[]", "quote": "<binary>"}',
        "encoding not known: the field quote of its JSON begins with <binary>",
    ),
    "a parsed quote": (
        b'{"success": true, "quote": {"header": {"version": 4}, "body": {}}}',
        "its JSON contains no quote; it has the fields success, quote",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_read_quote__no_encoding_of_a_quote__says_what_it_found(tmp_path: Path, name: str) -> None:
    data, reason = UNKNOWN[name]
    path = tmp_path / "quote"
    path.write_bytes(data)
    with pytest.raises(QuoteUnreadable, match=reason) as refused:
        read_quote(path)
    assert "fresh quote" not in str(refused.value)
    assert str(refused.value).endswith("or with JSON that contains one.")


def test_read_quote__two_quotes_in_the_json__names_both_places(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    gateway, model = {"intel_quote": HEX}, {"intel_quote": OTHER.hex()}
    path.write_text(json.dumps({"gateway_attestation": gateway, "model_attestations": [model]}))
    with pytest.raises(
        QuoteUnreadable,
        match=r"2 different quotes, at gateway_attestation\.intel_quote and "
        r"model_attestations\[0\]\.intel_quote: save the one you mean alone",
    ):
        read_quote(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "it is empty"), (b"0" * (MAX_FILE_BYTES + 1), "it has more than 4194304 bytes")],
    ids=["empty", "too large"],
)
def test_read_quote__unsuitable_size__says_so(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "quote"
    path.write_bytes(content)
    with pytest.raises(QuoteUnreadable, match=reason):
        read_quote(path)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_find_quote__anything__is_bytes_or_a_reason(data: bytes) -> None:
    try:
        found = find_quote(data)
    except NoQuoteFound as reason:
        assert str(reason)  # noqa: PT017 - both outcomes are right
    else:
        assert found[1] == 0


@given(st.recursive(st.none() | st.integers() | st.text(), lambda each: st.lists(each, max_size=3)))
def test_find_quote__any_json__contains_no_quote(value: object) -> None:
    with pytest.raises(NoQuoteFound):
        find_quote(json.dumps({"value": value}).encode())

# SPDX-License-Identifier: Apache-2.0
"""Quotes, in every form that a file has one in, their certificates, and app-compose documents.

The first byte of an input says what the rest is: a quote, a text with one, a PCK certificate, or
an app-compose document.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from teetee.quotes.app_compose import AppCompose
from teetee.quotes.certificates.pck_chain import certificate_id, platform_id, to_pem
from teetee.quotes.certificates.pck_platform import PckPlatform
from teetee.quotes.claims import QuoteClaims, pck_record
from teetee.quotes.errors import CertificateMalformed, ComposeInvalid, QuoteMalformed
from teetee.quotes.quote import Quote
from teetee.quotes.quote_description import QuoteDescription
from teetee.quotes.quote_encodings import NoQuoteFound, find_quote
from tests.fuzzing.target import Target

QUOTE, TEXT, CERTIFICATE, COMPOSE = b"qtcd"
"""The first byte."""

_VECTORS = Path(__file__).parents[2] / "vectors" / "attestation"


def run(data: bytes) -> None:
    """A quote has one encoding, and both parsers accept it."""
    what, rest = data[:1], data[1:]
    if what == bytes([QUOTE]):
        _read_quote(rest)
    elif what == bytes([TEXT]):
        QuoteDescription.parse(find_quote(rest))
    elif what == bytes([CERTIFICATE]):
        to_pem(rest)
        certificate_id(rest)
        platform_id(rest)
        record = pck_record(rest, rest, rest, index=1)
        QuoteClaims.from_core(_CORE, record).quote_hash()
        PckPlatform.parse(rest)
    else:
        document = AppCompose.parse(rest, "app-compose.json")
        document.name.encode()
        assert len(document.mr_config_id) == 48


def seeds() -> Mapping[str, bytes]:
    """Recorded quotes, and documents with them."""
    tdx, tdx_15 = _quote("tdx_v4_b0c06f_phala"), _quote("tdx_v5_90c06f_outdated")
    leaf = Quote.parse(tdx).pck_chain_der()[0]
    document = json.dumps({"quote": "0x" + tdx_15.hex(), "event_log": "[]"})
    return {
        "tdx-4": bytes([QUOTE]) + tdx,
        "tdx-5": bytes([QUOTE]) + tdx_15,
        "sgx-in-base64": bytes([TEXT]) + base64.b64encode(_quote("sgx_v3_oasis_eppid_certtype3")),
        "json": bytes([TEXT]) + document.encode(),
        "certificate": bytes([CERTIFICATE]) + leaf,
        "app-compose": bytes([COMPOSE])
        + (_VECTORS / "compose" / "near_mpc_app_compose.json").read_bytes(),
    }


def _quote(name: str) -> bytes:
    return (_VECTORS / "quotes" / f"{name}.bin").read_bytes()


_CORE = Quote.parse(_quote("tdx_v4_b0c06f_phala")).core


def _read_quote(raw: bytes) -> None:
    quote = Quote.parse(raw)
    assert quote.encode() == raw[: len(quote.encode())]
    assert Quote.from_core(quote.core, quote.pck_chain) == quote
    described = QuoteDescription.parse(raw)
    assert described.body == quote.td_report
    assert quote.report.measurement
    record = pck_record(*quote.pck_chain_der(), index=0)
    QuoteClaims.from_core(quote.core, record).quote_hash()


TARGET = Target(
    name="quotes",
    summary="quotes, certificates and app-compose documents: teetee/quotes",
    run=run,
    errors=(CertificateMalformed, ComposeInvalid, NoQuoteFound, QuoteMalformed),
    seeds=seeds,
    max_bytes=11_000,
    words=(
        *(
            b"-----BEGIN CERTIFICATE-----\n",
            b"-----END CERTIFICATE-----\n",
            b"\x30\x80",
            b"\x30\x82",
        ),
        *(b'"quote":', b'"manifest_version":', b'"runner":', b'"name":', b"\\ud800", b"0x", b"eyJ"),
        *(
            b"\x04\0\x02\0\x81\0\0\0",
            b"\x05\0\x02\0\x81\0\0\0",
            b"\x03\0\x02\0\0\0\0\0",
            b"\x06\x0a",
        ),
    ),
)

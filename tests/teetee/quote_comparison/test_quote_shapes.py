# SPDX-License-Identifier: Apache-2.0
"""The unsigned parts of a quote: its chain's PEM, lengths and types. Two verifiers.

given a real quote with its chain in another form
    when dcap-qvl reads it and it is PEM
        both should accept
    when it lacks the authority, or has more than four certificates after the leaf
        both should refuse
given bytes where none belong
    the contracts should accept nothing that dcap-qvl refuses
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from teetee.quote_comparison.comparer import QuoteComparer
from teetee.quote_comparison.verdict import VerdictPair
from teetee.quotes.certificates import intel
from teetee.quotes.certificates.pck_chain import certificates_from_pem, to_pem
from teetee.quotes.quote import Quote
from tests.teetee.chain.local_chain import compile_contracts
from tests.teetee.quote_comparison.test_comparer import TDX_CASES, folder_of
from tests.teetee.quotes import recorded

CASE = next(case for case in TDX_CASES if case["result"]["ok"] and "v4" in case["quote"])
QUOTE, _ = Quote.parse_prefix(recorded.quote(CASE["quote"]))
LEAF, AUTHORITY, ROOT = (to_pem(der).encode() for der in certificates_from_pem(QUOTE.pck_chain))
CHAIN = LEAF + AUTHORITY + ROOT
PROCESSOR = to_pem(recorded.certificate("intel_sgx_pck_processor_ca")).encode()

READ = {
    "without the final NUL": CHAIN,
    "two NULs": CHAIN + b"\x00\x00",
    "without the final newline": CHAIN[:-1],
    "CRLF": CHAIN.replace(b"\n", b"\r\n"),
    "without the root": LEAF + AUTHORITY,
    "root before authority": LEAF + ROOT + AUTHORITY,
    "another authority before": LEAF + PROCESSOR + AUTHORITY + ROOT,
    "leaf twice": LEAF + LEAF + AUTHORITY + ROOT,
    "four after the leaf": LEAF + AUTHORITY + ROOT + PROCESSOR + PROCESSOR,
    "text around": b"hello\n" + LEAF + b"hello\n" + AUTHORITY + b"\n\n" + ROOT,
}
NOT_READ = {
    "leaf alone": LEAF,
    "leaf last": ROOT + AUTHORITY + LEAF,
    "another authority instead": LEAF + PROCESSOR + ROOT,
    "five after the leaf": CHAIN + PROCESSOR * 3,
    "nothing": b"",
    "DER": b"".join(certificates_from_pem(CHAIN)),
}


@pytest.fixture(scope="module")
def comparer() -> Iterator[QuoteComparer]:
    compile_contracts()
    with QuoteComparer() as opened:
        yield opened


def compared(comparer: QuoteComparer, raw: bytes) -> VerdictPair:
    return comparer.compare(raw, folder_of(CASE["collateral"]), intel.root_ca(), CASE["at"])


@pytest.mark.parametrize("name", READ)
def test_compare__a_chain_in_another_form__accepted_by_both(
    comparer: QuoteComparer, name: str
) -> None:
    pair = compared(comparer, replace(QUOTE, pck_chain=READ[name]).encode())
    assert pair.on_chain.ok, pair
    assert pair.agree


@pytest.mark.parametrize("name", NOT_READ)
def test_compare__a_chain_that_is_none__refused_by_both(comparer: QuoteComparer, name: str) -> None:
    pair = compared(comparer, replace(QUOTE, pck_chain=NOT_READ[name]).encode())
    assert not pair.dcap_qvl.ok
    assert not pair.on_chain.ok


@pytest.mark.parametrize("size", [1, 4096, 20_000])
def test_compare__zeros_after_a_quote__do_not_matter(comparer: QuoteComparer, size: int) -> None:
    pair = compared(comparer, QUOTE.encode() + bytes(size))
    assert pair.on_chain.ok
    assert pair.agree


@pytest.mark.parametrize("place", [632, 766, 1254])
@pytest.mark.parametrize("difference", [-64, -1, 1, 1 << 30])
def test_compare__a_length_that_does_not_fit__nothing_accepted_that_dcap_qvl_refuses(
    comparer: QuoteComparer, place: int, difference: int
) -> None:
    changed = bytearray(QUOTE.encode() + bytes(100))
    (length,) = struct.unpack_from("<I", changed, place)
    struct.pack_into("<I", changed, place, length + difference)
    pair = compared(comparer, bytes(changed))
    assert pair.dcap_qvl.ok or not pair.on_chain.ok, pair

# SPDX-License-Identifier: Apache-2.0
"""Two verifiers that share no code: dcap-qvl, and our contracts on a local chain.

given every recorded TDX quote with every recorded set of collateral for it
    at the recorded second, one second before the set's window, one second after it
        dcap-qvl should give the recorded verdict, and the contracts should agree
given quotes with collateral of other platforms
    both should refuse, or both accept
given an SGX quote
    the contracts should refuse it, and dcap-qvl may accept it
given files changed at random
    the contracts should accept nothing that dcap-qvl refuses
given missing collateral, or another root
    both should refuse
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from teetee.quote_comparison.comparer import QuoteComparer
from teetee.quote_comparison.verdict import VerdictPair
from teetee.quotes.certificates import intel
from tests.teetee.chain.local_chain import compile_contracts
from tests.teetee.quotes import recorded

Case = dict[str, Any]
TDX_CASES, SGX_CASES = (
    json.loads((recorded.VECTORS / name).read_text())["cases"]
    for name in ("cases.json", "sgx_cases.json")
)
MUTATIONS = 150

FILES = ("tcb_info.json", "qe_identity.json", "pck_crl.der", "root_ca_crl.der")


def folder_of(collateral: str) -> Path:
    return recorded.VECTORS / "collateral" / collateral


def name_of(case: Case) -> str:
    return f"{case['quote']}, {case['collateral']}"


@pytest.fixture(scope="module")
def comparer() -> Iterator[QuoteComparer]:
    compile_contracts()
    with QuoteComparer() as opened:
        yield opened


def compared(comparer: QuoteComparer, case: Case, at: int) -> VerdictPair:
    quote = recorded.quote(case["quote"])
    return comparer.compare(quote, folder_of(case["collateral"]), intel.root_ca(), at)


def as_recorded(pair: VerdictPair) -> Case:
    verdict = pair.dcap_qvl
    if verdict.ok:
        return {"ok": True, "status": verdict.status, "advisory_ids": list(verdict.advisory_ids)}
    return {"ok": False, "error": verdict.error}


@pytest.mark.parametrize(
    ("second", "of"),
    [
        ("result", lambda case: case["at"]),
        ("result_1s_before_valid_from", lambda case: case["valid_from"] - 1),
        ("result_1s_after_valid_until", lambda case: case["valid_until"] + 1),
    ],
    ids=["within", "before", "after"],
)
@pytest.mark.parametrize("case", TDX_CASES, ids=name_of)
def test_compare__recorded_case__both_give_the_recorded_verdict(
    comparer: QuoteComparer, case: Case, second: str, of: Callable[[Case], int]
) -> None:
    pair = compared(comparer, case, of(case))
    assert as_recorded(pair) == case[second]
    assert pair.agree, pair
    if pair.on_chain.ok:
        assert pair.on_chain.gas is not None
        assert 21_000 < pair.on_chain.gas < 200_000


@pytest.mark.parametrize("case", SGX_CASES, ids=name_of)
def test_compare__sgx_quote__refused_by_our_contracts(comparer: QuoteComparer, case: Case) -> None:
    pair = compared(comparer, case, case["at"])
    assert as_recorded(pair) == case["result"]
    assert not pair.on_chain.ok
    assert not pair.agree


def test_compare__collateral_of_other_platforms__agreed(comparer: QuoteComparer) -> None:
    times = {case["collateral"]: case["at"] for case in TDX_CASES}
    quotes = sorted({case["quote"] for case in TDX_CASES})
    for collateral, at in times.items():
        for quote in quotes:
            pair = comparer.compare(
                recorded.quote(quote), folder_of(collateral), intel.root_ca(), at
            )
            assert pair.agree, (quote, collateral, pair)


def test_compare__another_root__both_refuse(comparer: QuoteComparer) -> None:
    case = TDX_CASES[0]
    foreign = recorded.certificate("intel_sgx_pck_platform_ca")
    pair = comparer.compare(
        recorded.quote(case["quote"]), folder_of(case["collateral"]), foreign, case["at"]
    )
    assert not pair.dcap_qvl.ok
    assert pair.on_chain.error is not None
    assert pair.on_chain.error.startswith("deployment of PckCertificates: ")
    assert pair.on_chain.gas is None


@pytest.mark.parametrize("missing", FILES)
def test_compare__a_file_is_missing__both_say_which(
    comparer: QuoteComparer, tmp_path: Path, missing: str
) -> None:
    case = TDX_CASES[0]
    folder = Path(shutil.copytree(folder_of(case["collateral"]), tmp_path / "set"))
    (folder / missing).unlink()
    pair = comparer.compare(recorded.quote(case["quote"]), folder, intel.root_ca(), case["at"])
    assert pair.agree
    assert pair.dcap_qvl.error == pair.on_chain.error
    assert pair.on_chain.error == (
        f"The collateral lacks {missing} (No such file or directory). "
        "Fetch current collateral for this quote."
    )


@pytest.mark.parametrize("at", [-1, 0, 1, 2**40 - 1, 2**40, 2**63, 2**70])
def test_compare__at_the_ends_of_time__both_refuse(comparer: QuoteComparer, at: int) -> None:
    pair = compared(comparer, TDX_CASES[0], at)
    assert not pair.dcap_qvl.ok
    assert not pair.on_chain.ok


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\x04\x00\x02\x00\x81\x00\x00\x00", b"\xff" * 9000])
def test_compare__not_a_quote__both_refuse(comparer: QuoteComparer, raw: bytes) -> None:
    case = TDX_CASES[0]
    pair = comparer.compare(raw, folder_of(case["collateral"]), intel.root_ca(), case["at"])
    assert pair.agree
    assert not pair.on_chain.ok


def mutated(random: Random, raw: bytes) -> bytes:
    """A bit flipped, cut off, lengthened, bytes lost, bytes doubled."""
    place = random.randrange(len(raw))
    some = random.randrange(1, 9)
    return random.choice(
        [
            raw[:place] + bytes([raw[place] ^ 1 << random.randrange(8)]) + raw[place + 1 :],
            raw[:place],
            raw + random.randbytes(some),
            raw[:place] + raw[place + some :],
            raw[: place + some] + raw[place:],
        ]
    )


@pytest.mark.parametrize("part", ["quote", *FILES])
def test_compare__changed_at_random__nothing_accepted_that_dcap_qvl_refuses(
    comparer: QuoteComparer, tmp_path: Path, part: str
) -> None:
    random = Random(f"mutations of {part}")
    accepted = [case for case in TDX_CASES if case["result"]["ok"]]
    for number in range(MUTATIONS // 5):
        case = random.choice(accepted)
        raw = recorded.quote(case["quote"])
        folder = Path(shutil.copytree(folder_of(case["collateral"]), tmp_path / str(number)))
        if part == "quote":
            raw = mutated(random, raw)
        else:
            (folder / part).write_bytes(mutated(random, (folder / part).read_bytes()))
        pair = comparer.compare(raw, folder, intel.root_ca(), case["at"])
        assert pair.dcap_qvl.ok or not pair.on_chain.ok, pair

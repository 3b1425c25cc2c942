# SPDX-License-Identifier: Apache-2.0
"""Two hundred faults of a fixed seed beside paid requests, and the books after each hundred.

given a world with faults of every kind
    when no fault is left
        every request should have exactly one end, paid or refunded once
        every answer should be that of the run without faults
        nothing plain should be on the disk
        no entry should have lost its bond that could act before the deadline
"""

from pathlib import Path

import pytest

from demo.output.console import Console
from demo.plan import BUILD
from tests.faults.cli import KINDS, Options, run

SEED = 12


@pytest.mark.system
@pytest.mark.timeout(1_500)
def test_faults__two_hundred_of_every_kind__the_books_are_right() -> None:
    assert_books_are_right(SEED, faults=200)


@pytest.mark.deep
@pytest.mark.system
@pytest.mark.timeout(3 * 3600)
def test_faults__five_thousand_of_every_kind__the_books_are_right() -> None:
    assert_books_are_right(
        SEED + 1,
        faults=5_000,
        json=BUILD / "faults.json",
        plot=BUILD / "faults.svg",
    )


def assert_books_are_right(
    seed: int, *, faults: int, json: Path | None = None, plot: Path | None = None
) -> None:
    options = Options(
        seed=seed,
        faults=faults,
        batch=None,
        kinds=KINDS,
        json=json,
        plot=plot,
        directory=BUILD / "faults",
        only_list=False,
    )
    result = run(options, Console(words_to_stderr=True))  # raises `BooksWrong`
    assert result.faults.total() == faults
    assert set(result.faults) == set(KINDS)
    assert result.findings.ends["settled"] > faults / 10
    assert result.findings.refunds_made == result.findings.refunds_due

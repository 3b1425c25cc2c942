# SPDX-License-Identifier: Apache-2.0
"""A chain in memory, and the parts that take requests over it to their ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.fake_chain import FakeChain
from tests.oracle.workbench import Bench


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def bench(tmp_path: Path, chain: FakeChain) -> Iterator[Bench]:
    bench = Bench(tmp_path / "data", chain)
    yield bench
    bench.end()

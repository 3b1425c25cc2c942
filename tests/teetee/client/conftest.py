# SPDX-License-Identifier: Apache-2.0
"""One attested chain with an entry and two more enclaves, enrolled, for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.teetee.client.lab import Lab, borrowed, running_lab


@pytest.fixture(scope="session")
def _enrolled_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def lab(_enrolled_lab: Lab) -> Iterator[Lab]:
    """Tests may pass time, retire and refund: afterwards the chain is as before."""
    with borrowed(_enrolled_lab):
        yield _enrolled_lab

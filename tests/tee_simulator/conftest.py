# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a simulated PKI, and an enclave with a fixed clock in its own folder."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tee_simulator import SimulatedEnclave, SimulatedPki

AT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


@pytest.fixture(scope="session")
def pki() -> SimulatedPki:
    return SimulatedPki.from_seed(b"p" * 32)


@pytest.fixture
def enclave(tmp_path: Path, pki: SimulatedPki) -> SimulatedEnclave:
    return SimulatedEnclave.open(tmp_path, "entry", pki, clock=lambda: AT)

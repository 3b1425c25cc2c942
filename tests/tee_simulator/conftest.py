# SPDX-License-Identifier: Apache-2.0
"""Simulated machines in a folder of their own, and the clock they go by."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tee_simulator import SimulatedEnclave, TestPki

AT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


@pytest.fixture(scope="session")
def pki() -> TestPki:
    return TestPki.from_seed(b"p" * 32)


@pytest.fixture
def enclave(tmp_path: Path, pki: TestPki) -> SimulatedEnclave:
    return SimulatedEnclave.open(tmp_path, "entry", pki, clock=lambda: AT)

# SPDX-License-Identifier: Apache-2.0
"""A local chain for all tests here, and the count of mutations tried in each class."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.attestation.evidence import INTEL_ROOT
from tests.attestation.verifiers import ChainVerifier
from tests.teetee.chain.local_chain import compile_contracts, running_anvil

TALLY = "mutations"
"""The name of a test's property: class, number tried, number accepted."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each class of mutations, over all batches."""
    tried: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for key, value in getattr(report, "user_properties", ()):
                if key == TALLY and report.when == "call":
                    tried[value[0]] += value[1]
                    accepted[value[0]] += value[2]
    if not tried:
        return
    terminalreporter.section(f"{tried.total():,} mutations")
    for name, count in tried.items():
        terminalreporter.line(f"{name:28} {count:6,} tried {accepted[name]:6,} accepted by both")


@pytest.fixture(scope="session")
def chain_url() -> Iterator[str]:
    """A fresh chain, whose first block is older than the oldest recorded collateral."""
    compile_contracts()
    with running_anvil("--timestamp", "1600000000") as url:
        yield url


@pytest.fixture(scope="session")
def intel_verifier(chain_url: str) -> ChainVerifier:
    """Verifies up to Intel's root."""
    return ChainVerifier(chain_url, INTEL_ROOT)

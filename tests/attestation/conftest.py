# SPDX-License-Identifier: Apache-2.0
"""One local chain for all tests here, and how often each class of mutations was tried."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.attestation.evidence import INTEL_ROOT
from tests.attestation.trial import ChainJudge
from tests.teetee.chain.local_chain import compile_contracts, running_anvil

TALLY = "mutations"
"""Of a test's properties: class, tried, accepted."""


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
    """A fresh chain, from before the oldest recorded collateral on."""
    compile_contracts()
    with running_anvil("--timestamp", "1600000000") as url:
        yield url


@pytest.fixture(scope="session")
def intel_judge(chain_url: str) -> ChainJudge:
    """Judges under Intel's root."""
    return ChainJudge(chain_url, INTEL_ROOT)

"""One local chain for all tests here."""

from collections.abc import Iterator

import pytest

from tests.attestation.evidence import INTEL_ROOT
from tests.attestation.trial import ChainJudge
from tests.teetee.chain.local_chain import compile_contracts, running_anvil


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

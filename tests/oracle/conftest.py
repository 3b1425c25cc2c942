# SPDX-License-Identifier: Apache-2.0
"""One chain with a published tiny model for all process tests of a session."""

from collections.abc import Iterator

import pytest

from tests.oracle.enclave_world import EnclaveWorld
from tests.teetee.chain.local_chain import LocalChain, compile_contracts, running_anvil


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnclaveWorld]:
    compile_contracts()
    with running_anvil() as url:
        yield EnclaveWorld(LocalChain(url), tmp_path_factory.mktemp("oracle"))

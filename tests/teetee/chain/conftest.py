# SPDX-License-Identifier: Apache-2.0
"""One anvil with deployed contracts for all chain tests of a process; each test makes its own
accounts and requests.
"""

from collections.abc import Iterator

import pytest

from tests.teetee.chain.local_chain import LocalChain, compile_contracts, running_anvil
from tests.teetee.chain.world import Network, World


@pytest.fixture(scope="session")
def chain() -> Iterator[LocalChain]:
    compile_contracts()
    with running_anvil() as url:
        yield LocalChain(url)


@pytest.fixture(scope="session")
def world(chain: LocalChain) -> World:
    return World(chain)


@pytest.fixture(scope="session")
def _first_network(world: World) -> Network:
    model_id = world.publish_model()
    entry = world.enrol(model_id, 0, 4, is_entry=True)
    return Network(model_id, entry, world.enrol(model_id, 4, 6))


@pytest.fixture
def network(world: World, _first_network: Network) -> Iterator[Network]:
    """Reverts the chain after the test, which may pass time, retire shards and refund requests."""
    snapshot = world.chain.rpc("evm_snapshot")
    yield _first_network
    world.chain.rpc("evm_revert", snapshot)

# SPDX-License-Identifier: Apache-2.0
"""One running world for all tests that need one: two entries, so that one can take over from the
other, and two more shards, each of a host of its own. A relay stands before every port.

A test may stop, kill or starve what it likes; `whole` sees to it that the next one finds the world
as it was.
"""

from collections.abc import Iterator

import pytest

from demo.output.console import Console
from demo.phases.chain import ANVIL, LISTENS, START_SECONDS
from demo.plan import BUILD, Plan, ShardPlan
from demo.processes.environment import environment
from demo.processes.ports import LOOPBACK, free_port
from demo.world import World
from teetee.protocol.layers import LayerRange
from tests.system.asking import Asking
from tests.system.relay import Relays

# Declines come soon: of the shortest deadline, 10 s, the default margin would leave nothing.
ORACLE_SETTINGS = {"DECLINE_MARGIN_SECONDS": "3", "STOP_GRACE_SECONDS": "2"}


def two_entries(layer_count: int) -> tuple[ShardPlan, ...]:
    """The demo's shards, and a second entry."""
    assert layer_count == 30
    return (
        ShardPlan("entry", LayerRange(0, 8), is_entry=True),
        ShardPlan("second", LayerRange(0, 8), is_entry=True),
        ShardPlan("middle", LayerRange(8, 19)),
        ShardPlan("last", LayerRange(19, 30)),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with processes of their own go first, before the world takes memory and cores."""
    items.sort(key=lambda item: "running_world" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def relays() -> Iterator[Relays]:
    made = Relays()
    yield made
    made.close()


@pytest.fixture(scope="session")
def running_world(relays: Relays) -> Iterator[World]:
    plan = Plan(
        directory=BUILD / "system",
        shards=two_entries,
        oracle_settings=ORACLE_SETTINGS,
        front=relays.front,
    )
    with World(plan, Console(words_to_stderr=True)) as made:
        made.start()
        yield made


@pytest.fixture
def world(running_world: World) -> Iterator[World]:
    """The running world; whatever the test stopped runs again afterwards."""
    yield running_world
    stopped = [each for each in running_world.enclaves if not each.is_running]
    for enclave in stopped:
        enclave.start(running_world.supervisor)
    for enclave in stopped:
        enclave.await_serving()


@pytest.fixture
def asking(world: World) -> Asking:
    """A funded requester's wallet."""
    return Asking.of(world, "requester")


@pytest.fixture(scope="session")
def another_chain(running_world: World) -> str:
    """A node's address, of a chain that is not the world's."""
    port = free_port()
    argv = (ANVIL, "--port", str(port), "--chain-id", "4242", "--accounts", "0")
    service = running_world.supervisor.start("another-chain", argv, environment())
    service.wait_for(lambda line: LISTENS.search(line) is not None, START_SECONDS, "listening")
    return f"http://{LOOPBACK}:{port}"

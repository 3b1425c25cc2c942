# SPDX-License-Identifier: Apache-2.0
"""One running world for all tests that need one: two entries, so that one can take over from the
other, and two more shards, each of its own host. A relay stands in front of every port.

A test may stop or kill any process: `world` restarts it for the next test.
"""

from collections.abc import Iterator

import pytest

from demo.output.console import Console
from demo.phases.chain import ANVIL, LISTENS, START_SECONDS
from demo.plan import BUILD, ShardPlan, WorldPlan
from demo.processes.environment import environment
from demo.processes.ports import LOOPBACK, free_port
from demo.world import World
from teetee.protocol.layers import LayerRange
from tests.system.relay import Relays
from tests.system.requester import Requester

# Decline early: the default margin is longer than the shortest deadline, 10 s.
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
    """Tests with their own processes run first, before the world uses memory and cores."""
    items.sort(key=lambda item: "running_world" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="package")
def relays() -> Iterator[Relays]:
    relays = Relays()
    yield relays
    relays.close()


@pytest.fixture(scope="package")
def running_world(relays: Relays) -> Iterator[World]:
    plan = WorldPlan(
        directory=BUILD / "system",
        shards=two_entries,
        oracle_settings=ORACLE_SETTINGS,
        front=relays.front,
    )
    with World(plan, Console(words_to_stderr=True)) as world:
        world.start()
        yield world


@pytest.fixture
def world(running_world: World) -> Iterator[World]:
    """The running world. Afterwards, the processes that the test stopped are restarted."""
    yield running_world
    stopped = [each for each in running_world.enclaves if not each.is_running]
    for enclave in stopped:
        enclave.start(running_world.supervisor)
    for enclave in stopped:
        enclave.await_serving()


@pytest.fixture
def requester(world: World) -> Requester:
    """A funded wallet."""
    return Requester.of(world, "requester")


@pytest.fixture(scope="package")
def another_chain(running_world: World) -> str:
    """The address of a node of another chain."""
    port = free_port()
    argv = (ANVIL, "--port", str(port), "--chain-id", "4242", "--accounts", "0")
    service = running_world.supervisor.start("another-chain", argv, environment())
    service.wait_for(lambda line: LISTENS.search(line) is not None, START_SECONDS, "listening")
    return f"http://{LOOPBACK}:{port}"

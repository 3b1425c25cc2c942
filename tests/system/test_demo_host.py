# SPDX-License-Identifier: Apache-2.0
"""`python -m demo host` and a second `python -m demo world`, on a world that keeps running.

given a world that keeps running
    when the world is started again
        it should print the settings of the running one and end with 0
    when a host is added
        it should print the commands that do the same, and serve the layers
        when it is interrupted
            it should retire its shard and stop its processes
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from demo.kept_world import HOST, KeptWorld
from demo.processes.environment import environment
from demo.world import World
from teetee.chain.contracts.registry import Registry
from teetee.chain.types.shards import ShardStatus
from teetee.protocol.identifiers import ShardId
from tests.system.requester import Requester

pytestmark = pytest.mark.system

SECONDS = 60.0


@pytest.fixture
def kept(world: World) -> Iterator[KeptWorld]:
    """The running world's settings, on disk; its host's wallet has tokens."""
    Requester.of(world, HOST)
    kept = KeptWorld.create(world)
    yield kept
    kept.remove()


def demo(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_world__runs_already__prints_its_settings(kept: KeptWorld) -> None:
    with demo("world", "--directory", kept.directory) as again:
        output, _ = again.communicate(timeout=SECONDS)
    assert again.returncode == 0
    assert f"The world already runs in {kept.directory}." in output
    assert f"source {os.path.relpath(kept.shell_file)}" in output
    for name, value in kept.variables.items():
        assert f"{name}={value}" in output


def test_host__added_and_interrupted__serves_and_retires(world: World, kept: KeptWorld) -> None:
    registry = Registry(world.connection(), world.deployment)
    with demo("host", "--directory", kept.directory, "--layers", "8-19") as host:
        printed = _read_until(host, "serves layers 8-19 until Ctrl-C")
        (shard_id,) = re.findall(r"Shard (\d+) serves", printed)
        for command in ("tee_simulator serve", "teetee host run --model", "teetee host enrol"):
            assert command in printed
        assert registry.is_active(ShardId(int(shard_id)))
        host.send_signal(signal.SIGINT)
        output, _ = host.communicate(timeout=SECONDS)
    assert host.returncode == 0
    assert f"Shard {shard_id}: retired by its host" in output
    assert registry.shard(ShardId(int(shard_id))).status is ShardStatus.RETIRED


def _read_until(process: subprocess.Popen[str], text: str) -> str:
    """What it prints up to that text."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line:
            return printed
    raise AssertionError(f"ended without printing {text!r}:\n{printed}")

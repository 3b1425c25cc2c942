# SPDX-License-Identifier: Apache-2.0
"""An enclave's process that must not serve, with the real model.

given the weights file with one flipped byte, with a renamed tensor, or cut short
    when the process starts
        it should end with status 1, say why, and never be ready

Invalid ports, nodes and settings are tested in tests/oracle, on a small model.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.processes.environment import environment
from demo.world import World

pytestmark = pytest.mark.system

SECONDS = 120.0
TENSOR = "blk.8.attn_q.weight"
"""Of the first layer of the shard `middle`, [8, 19)."""


def flip_one_byte(file: Path) -> None:
    # Read by the format's own package, not by the code under test.
    from gguf import GGUFReader

    (tensor,) = [each for each in GGUFReader(file).tensors if each.name == TENSOR]
    _change(file, int(tensor.data_offset) + 1000, lambda old: bytes([old[0] ^ 0x01]))


def rename_one_tensor(file: Path) -> None:
    place = file.read_bytes()[: 1 << 22].index(TENSOR.encode())
    _change(file, place + len("blk.8."), lambda old: old.upper())


def cut_the_end_off(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 1)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        pytest.param(flip_one_byte, "StartUpRefused", id="one flipped byte"),
        pytest.param(rename_one_tensor, "TensorUnused", id="a renamed tensor"),
        pytest.param(cut_the_end_off, "ModelFileInvalid", id="cut short"),
    ],
)
def test_run__weights_are_damaged__ends_and_says_what(
    world: World, tmp_path: Path, damage: Callable[[Path], None], error: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(world.model.folder, folder)
    (file,) = folder.glob("*.gguf")
    damage(file)
    event = _refusal(world, tmp_path, folder)
    assert event["error"] == error


def _refusal(world: World, folder: Path, model: Path) -> dict[str, str]:
    """The last event of a process with the settings of `middle`, but this model."""
    settings = {
        **world.enclave("middle").settings,
        "TEETEE_LISTEN_PORT": "0",
        "TEETEE_KEYS_DIRECTORY": str(folder / "keys"),
        "TEETEE_DATA_DIRECTORY": str(folder / "journal"),
        "TEETEE_MODEL": str(model),
    }
    finished = world.supervisor.run(
        "refused-oracle",
        [sys.executable, "-m", "oracle", "run"],
        environment(settings),
        seconds=SECONDS,
        may_fail=True,
    )
    assert finished.status == 1
    assert finished.stdout == b""
    event: dict[str, str] = json.loads(finished.last_output.splitlines()[-1])
    assert event["event"] == "the process ends"
    return event


def _change(file: Path, offset: int, change: Callable[[bytes], bytes]) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        old = opened.read(1)
        new = change(old)
        assert new != old
        opened.seek(offset)
        opened.write(new)

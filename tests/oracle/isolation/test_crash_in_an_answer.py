# SPDX-License-Identifier: Apache-2.0
"""An entry that crashes in the middle of an answer leaves nothing plain behind.

given a running answer to a prompt with a canary, a process whose limit allows core dumps, and a
temporary folder of its own
    when it ends by SIGSEGV, SIGABRT, or SIGKILL (as when memory runs out)
        no file that it or the kernel has written should hold the canary, in any usual encoding
        there should be no core dump, and nothing in the temporary folder
"""

import os
import signal
from pathlib import Path

import pytest

from tests.oracle.enclave_world import EnclaveWorld, LocalEnclave
from tests.system.encodings import found_in

CANARY = "w3 w14 w15 w9 w26 w5 w35 w8 w97 w93"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_m12_run__crashes_in_mid_answer__leaves_nothing_plain(
    world: EnclaveWorld, tmp_path: Path, number: signal.Signals
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    entry = LocalEnclave(world, f"crash-{tmp_path.name}", TMPDIR=str(temporary))
    with entry.running(slow=0.2, folder=entry.folder) as process:
        process.ready()
        shard_id = entry.enrol()
        asked = world.ask(shard_id, CANARY)
        world.await_stream(entry.port, shard_id, asked)
        os.kill(process.pid, number)
        assert process.exit_code(40.0) == -number
    written = [path for path in entry.folder.rglob("*") if path.is_file()]
    assert any("sqlite" in path.name for path in written), "the journal was not searched"
    assert {path.name for path in written if found_in(path.read_bytes(), [CANARY])} == set()
    assert [path.name for path in written if path.name.startswith("core")] == []
    assert list(temporary.iterdir()) == []

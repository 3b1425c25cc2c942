# SPDX-License-Identifier: Apache-2.0
"""An entry that crashes in the middle of an answer leaves nothing plain behind.

given a running answer to a prompt with a canary, a process whose limit allows core dumps, and a
temporary folder of its own
    when it ends by SIGSEGV, SIGABRT, or SIGKILL (as when memory runs out), or gets no more memory
        no file that it or the kernel has written should hold canary or answer, in any usual
        encoding
        every file that it had open for writing should be in its folder, which was searched
        there should be no core dump, and nothing in the temporary folder
"""

import os
import resource
import secrets
import signal
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from tests.oracle.enclave_world import EnclaveWorld, LocalEnclave
from tests.oracle.oracle_process import OracleProcess
from tests.oracle.tiny_llama import VOCABULARY
from tests.system.encodings import found_in

# Where kernels, service managers and libraries leave files, beside the places they are given.
ELSEWHERE = ("/", "/tmp", "/var/tmp", "/dev/shm", "/var/crash", "/var/lib/systemd/coredump")
LARGEST_BYTES = 64 << 20


def kill(number: signal.Signals) -> Callable[[OracleProcess], None]:
    def end(process: OracleProcess) -> None:
        os.kill(process.pid, number)
        assert process.exit_code(40.0) == -number

    return end


def give_no_more_memory(process: OracleProcess) -> None:
    """Unlike SIGKILL, this raises errors in the middle of the work on plain text."""
    resource.prlimit(process.pid, resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY))
    process.exit_code(5.0)


ENDS = {
    "SIGSEGV": kill(signal.SIGSEGV),
    "SIGABRT": kill(signal.SIGABRT),
    "SIGKILL": kill(signal.SIGKILL),
    "no more memory": give_no_more_memory,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_m12_run__crashes_in_mid_answer__leaves_nothing_plain(
    world: EnclaveWorld, tmp_path: Path, end: Callable[[OracleProcess], None]
) -> None:
    canary = " ".join(f"w{secrets.randbelow(VOCABULARY)}" for _ in range(16))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    entry = LocalEnclave(world, f"crash-{secrets.token_hex(4)}", TMPDIR=str(temporary))
    started = time.time() - 1
    with entry.running(slow=0.2, folder=entry.folder) as process:
        process.ready()
        shard_id = entry.enrol()
        asked = world.ask(shard_id, canary)
        world.await_stream(entry.port, shard_id, asked)
        answer = "".join(islice(world.listen(entry.port, shard_id, asked), 4))
        opened = open_for_writing(process.pid)
        end(process)
    written = [path for path in entry.folder.rglob("*") if path.is_file()]
    assert any("sqlite" in path.name for path in written), "the journal was not searched"
    assert opened <= {path.resolve() for path in written}
    contents = {path: path.read_bytes() for path in written} | written_elsewhere(started)
    assert {path for path in contents if found_in(contents[path], [canary, answer])} == set()
    assert [path.name for path in written if path.name.startswith("core")] == []
    assert list(temporary.iterdir()) == []


def open_for_writing(pid: int) -> set[Path]:
    """The regular files that the process can write to."""
    folder = Path("/proc") / str(pid)
    found = set()
    for descriptor in (folder / "fd").iterdir():
        path = Path(os.readlink(descriptor))
        information = (folder / "fdinfo" / descriptor.name).read_text()
        flags = int(information.split("flags:")[1].split()[0], 8)
        if flags & os.O_ACCMODE != os.O_RDONLY and path.is_file():
            found.add(path)
    return found


def written_elsewhere(since: float) -> dict[Path, bytes]:
    """What anyone wrote there meanwhile."""
    found = {}
    for folder in map(Path, ELSEWHERE):
        for path in folder.iterdir() if folder.is_dir() else ():
            with suppress(OSError):  # others remove their files
                status = path.stat()
                is_file = stat.S_ISREG(status.st_mode)
                if is_file and status.st_mtime >= since and status.st_size <= LARGEST_BYTES:
                    found[path] = path.read_bytes()
    return found

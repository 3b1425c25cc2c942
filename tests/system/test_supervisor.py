# SPDX-License-Identifier: Apache-2.0
"""The owner of the processes.

given a supervisor with services
    when all are stopped
        it should leave no process of their groups, the stubborn and their children included
        their logs should hold all of their output
given a process that ends too early
    when its readiness is awaited
        it should say how it ended, with its last output
given a silent process
    when its readiness is awaited
        it should name what is awaited
given a run
    when it fails
        it should raise, unless it may fail
    when its stdout is the caller's
        it should reach the caller line by line, and no log
given services
    when one ends without being stopped
        it should be reported, but not those that are stopped
given a process whose starter is killed with -9
    when the kernel notices
        it should end as well
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.errors import ProcessEnded, ProcessSilent
from demo.processes.environment import environment
from demo.processes.supervisor import Supervisor

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        sys.platform != "linux", reason="pidfd, and processes tied to their starter"
    ),
]

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
time.sleep(60)
"""

POLITE = """
import signal, sys, threading
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
print("ready", flush=True)
stopped.wait()
print("goodbye", flush=True)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def ends_within(seconds: float, descriptor: int) -> bool:
    """A pidfd becomes readable when its process ends: no polling, and no number used again."""
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    owner = Supervisor(tmp_path)
    yield owner
    owner.stop_all()


def test_stop_all__polite_service__ends_with_its_last_output_in_the_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    service = supervisor.start("polite", python(POLITE), environment())
    service.wait_for(lambda line: line == "ready", 20, "readiness")
    supervisor.stop_all()
    assert not service.is_running
    assert (tmp_path / "polite.log").read_text() == "ready\ngoodbye\n"


def test_stop_all__stubborn_service_with_a_child__leaves_neither(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.processes.supervisor.STOP_SECONDS", 0.3)
    service = supervisor.start("stubborn", python(STUBBORN), environment())
    line = service.wait_for(lambda line: line.startswith("child"), 20, "its child")
    child = os.pidfd_open(int(line.split()[1]))
    supervisor.stop_all()
    assert not service.is_running
    assert ends_within(5, child)


def test_wait_for_end__service_ends_by_itself__is_reported(supervisor: Supervisor) -> None:
    stopped = supervisor.start("polite", python(POLITE), environment())
    stopped.wait_for(lambda line: line == "ready", 20, "readiness")
    supervisor.stop(stopped)
    ended = supervisor.start("short", python("exit(3)"), environment())
    assert supervisor.wait_for_end() is ended
    supervisor.wake()
    assert supervisor.wait_for_end() is None


def test_wait_for__ended_process__says_how_with_its_last_output(supervisor: Supervisor) -> None:
    service = supervisor.start("short", python("print('no luck'); exit(3)"), environment())
    with pytest.raises(ProcessEnded) as refused:
        service.wait_for(lambda line: line == "ready", 20, "readiness")
    assert refused.value.status == 3
    assert refused.value.last_output == "no luck"
    assert "short.log" in str(refused.value)


def test_wait_for__silent_process__names_what_was_awaited(supervisor: Supervisor) -> None:
    service = supervisor.start("silent", python("import time; time.sleep(60)"), environment())
    with pytest.raises(ProcessSilent, match=r"silent did not reach readiness within 0\.2 s"):
        service.wait_for(lambda line: line == "ready", 0.2, "readiness")


def test_run__failure__raises_unless_it_may_fail(supervisor: Supervisor) -> None:
    failing = python("import sys; sys.exit('broken')")
    with pytest.raises(ProcessEnded) as refused:
        supervisor.run("failing", failing, environment(), seconds=20)
    assert (refused.value.status, refused.value.last_output) == (1, "broken")
    finished = supervisor.run("failing", failing, environment(), seconds=20, may_fail=True)
    assert (finished.status, finished.last_output) == (1, "broken")


def test_run__stdin_and_stdout__are_pipes_that_no_log_sees(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    echo = python("import sys; d = sys.stdin.read(); print(d); print('done', file=sys.stderr)")
    lines: list[bytes] = []
    running = supervisor.begin(
        "echo", echo, environment(), stdin=b"grey\nheron", on_line=lines.append
    )
    finished = running.finish(20)
    assert finished.stdout == b"grey\nheron\n"
    assert lines == [b"grey\n", b"heron\n"]
    assert (tmp_path / "echo.log").read_text() == "done\n"


def test_run__too_slow__is_ended(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessSilent, match=r"slow did not reach its end within 0\.2 s"):
        supervisor.run("slow", python("import time; time.sleep(60)"), environment(), seconds=0.2)


def test_start__starter_killed_with_9__kernel_ends_the_process(tmp_path: Path) -> None:
    starter = f"""
import sys, time
from pathlib import Path
from demo.processes.environment import environment
from demo.processes.supervisor import Supervisor
service = Supervisor(Path({str(tmp_path)!r})).start(
    "tied", [sys.executable, "-c", "import time; time.sleep(60)"], environment()
)
print(service.process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(python(starter), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        tied = os.pidfd_open(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert ends_within(10, tied)

# SPDX-License-Identifier: Apache-2.0
"""`python -m tee_simulator` as a process.

given `serve`
    when it listens
        it should print SIMULATED and one line of JSON, and serve until it is stopped
    when the socket, the folder, the name or the compose document is unusable
        it should say why and what to do, with a status that separates retryable from fatal
given `pccs` and `pki`
    the same
"""

import json
import signal
import socket as sockets
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from dstack_sdk import DstackClient

from tee_simulator.notice import SIMULATED

pytestmark = pytest.mark.system

RETRYABLE, FATAL = 3, 4


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tee_simulator", *map(str, arguments)]


def start(*arguments: str | Path) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """The process and what it says when it listens."""
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return process, json.loads(line)["ready"]


def fails(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def serve(folder: Path, *more: str | Path) -> list[str | Path]:
    return [
        *("serve", "--directory", folder / "enclaves", "--enclave", "entry"),
        *("--socket", folder / "agent.sock", *more),
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_serve__until_stopped__ends_clean_and_removes_the_socket(
    tmp_path: Path, number: signal.Signals
) -> None:
    process, ready = start(*serve(tmp_path))
    socket = tmp_path / "agent.sock"
    assert ready["socket"] == str(socket)
    assert ready["simulated"] is True
    assert socket.stat().st_mode & 0o777 == 0o600
    client = DstackClient(str(socket))
    assert client.info().compose_hash == ready["composeHash"]
    process.send_signal(number)
    _, output = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output.splitlines()[0].endswith(SIMULATED)
    assert not socket.exists()


def test_serve__restarted__same_keys(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        process, _ = start(*serve(tmp_path))
        client = DstackClient(str(tmp_path / "agent.sock"))
        keys.append(client.get_key("path").key)
        process.kill()  # leaves the socket behind, as a crash does
        process.communicate(timeout=20)
    assert keys[0] == keys[1]


def test_serve__keys_asked_for__no_key_is_logged(tmp_path: Path) -> None:
    process, _ = start(*serve(tmp_path))
    client = DstackClient(str(tmp_path / "agent.sock"))
    key = client.get_key("path").key
    client.get_quote(b"\xca\xfe" * 32)
    process.terminate()
    out, output = process.communicate(timeout=20)
    assert key not in out + output
    assert "cafe" * 8 not in out + output


def test_serve__socket_in_use__says_so(tmp_path: Path) -> None:
    process, _ = start(*serve(tmp_path))
    status, output = fails(*serve(tmp_path))
    assert status == RETRYABLE
    assert "Another process listens on" in output
    process.terminate()
    process.communicate(timeout=20)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param(("--enclave", "../x"), "not a valid enclave name", id="name"),
        pytest.param(("--socket", "/missing/agent.sock"), "Cannot listen on", id="socket"),
        pytest.param(("--socket", "/tmp/" + "x" * 120), "at most 107 bytes", id="long path"),
        pytest.param(("--directory", "/dev/null/x"), "Cannot use /dev/null/x", id="folder"),
        pytest.param(("--compose", "/missing.json"), "not an app-compose document", id="compose"),
    ],
)
def test_serve__something_unusable__says_what_and_how_to_go_on(
    tmp_path: Path, more: tuple[str, str], message: str
) -> None:
    status, output = fails(*serve(tmp_path), *more)
    assert status == FATAL
    assert message in output
    assert "Traceback" not in output


def test_serve__where_a_file_lies__leaves_it(tmp_path: Path) -> None:
    (tmp_path / "agent.sock").write_text("precious")
    status, output = fails(*serve(tmp_path))
    assert status == FATAL
    assert "a file that is not a socket exists there" in output
    assert (tmp_path / "agent.sock").read_text() == "precious"


def test_pccs__port_in_use__says_so(tmp_path: Path) -> None:
    with sockets.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        status, output = fails("pccs", "--port", str(port), "--pki", tmp_path / "pki")
    assert status == RETRYABLE
    assert f"Another process listens on port {port}" in output


def test_pccs__at_another_time__collateral_of_that_time(tmp_path: Path) -> None:
    process, ready = start("pccs", "--port", "0", "--pki", tmp_path, "--at", "2025-06-01T00:00:00Z")
    url = f"{ready['url']}/tdx/certification/v4/qe/identity"
    identity = httpx.get(url).json()["enclaveIdentity"]
    process.terminate()
    process.communicate(timeout=20)
    assert identity["issueDate"].startswith("2025-05-31T00:00:")
    assert process.returncode == 0


def test_pki__made_once__names_the_root(tmp_path: Path) -> None:
    output = [
        subprocess.run(
            command("pki", "--directory", tmp_path), capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    assert output[0].stdout == output[1].stdout
    assert json.loads(output[0].stdout)["pki"]["root"] == (tmp_path / "root.der").read_bytes().hex()


@pytest.mark.parametrize("of", [(), ("serve",), ("pccs",), ("pki",)], ids=str)
def test_help__of_each_command__says_simulated(of: tuple[str, ...]) -> None:
    done = subprocess.run(command(*of, "--help"), capture_output=True, text=True, check=True)
    assert SIMULATED[:40] in " ".join(done.stdout.split())

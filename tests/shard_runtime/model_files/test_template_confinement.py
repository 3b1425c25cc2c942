# SPDX-License-Identifier: Apache-2.0
"""What the child process that renders chat templates can do once a template has left the sandbox.

given any system call but those that rendering needs
    it should end the child at once
given any filter or test of Jinja
    it should work there, or fail in words, without ending the child
given a machine for which there is no list of system calls
    the child should render nothing, and say so
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shard_runtime.errors import ChatTemplateInvalid
from shard_runtime.model_files.chat_template.confinement import _CALLS, _assemble
from shard_runtime.model_files.chat_template.renderer import FAILED, REJECTED, UNCONFINED
from shard_runtime.model_files.chat_template.template_process import SCRIPT, TemplateProcess

QUESTION = [{"role": "user", "content": "duck"}]
ALLOW, KILL = 0x7FFF0000, 0x80000000

if sys.platform != "linux":
    pytest.skip("the child is confined on Linux", allow_module_level=True)

SETUP = f"""
import ctypes, os, signal, socket, subprocess, sys, threading
sys.path.insert(0, {str(SCRIPT.parent)!r})
import renderer
library = ctypes.CDLL(None)
path, port, parent = sys.argv[1], int(sys.argv[2]), os.getppid()
renderer._warm_up()
renderer._limit_process()
os.write(1, b"confined ")
"""
ESCAPES = {
    "read a key file": "open(path, 'rb').read()",
    "read it by the older call": "library.syscall(2, path.encode(), 0)",
    "list a folder": "os.listdir(os.path.dirname(path))",
    "write a file": "open(path + '2', 'w')",
    "connect": "socket.create_connection(('127.0.0.1', port))",
    "listen": "socket.socket().bind(('127.0.0.1', 0))",
    "a socket pair": "socket.socketpair()",
    "a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "fork": "os.fork()",
    "a thread": "threading.Thread(target=print).start()",
    "a program": "os.execv('/bin/true', ['true'])",
    "read the parent's memory": "os.open(f'/proc/{parent}/mem', os.O_RDONLY)",
    "read it without a file": "library.process_vm_readv(parent, 0, 0, 0, 0, 0)",
    "trace the parent": "library.ptrace(16, parent, 0, 0)",
    "signal the parent": "os.kill(parent, signal.SIGTERM)",
    "raise a limit": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))",
    "be dumpable": "library.prctl(4, 1, 0, 0, 0)",
    "io_uring": "library.syscall(425, 1, 0)",
    "memory as a file": "os.memfd_create('x')",
    "an ioctl": "import fcntl; fcntl.ioctl(0, 0x541B, b'1234')",
}


@pytest.fixture
def process() -> TemplateProcess:
    return TemplateProcess()


def render_or_fail(process: TemplateProcess, template: str) -> None:
    """A template that ends the child fails otherwise."""
    refusal = FAILED
    try:
        process.render(template, QUESTION, {})
    except ChatTemplateInvalid as refused:
        refusal = str(refused)
    assert FAILED in refusal or REJECTED in refusal, template


def run_child(code: str, *arguments: str, sent: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-I", "-B", "-c", code, *arguments],
        input=sent,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("action", ESCAPES.values(), ids=ESCAPES.keys())
def test_a6__code_leaves_the_sandbox__kernel_ends_the_child(tmp_path: Path, action: str) -> None:
    key = tmp_path / "enclave.keys"
    key.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        finished = run_child(
            f"{SETUP}\n{action}\nos.write(1, b'escaped')", str(key), str(server.getsockname()[1])
        )
        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.accept()
    assert finished.stdout == b"confined "
    assert finished.returncode == -signal.SIGSYS
    assert [each.name for each in tmp_path.iterdir()] == ["enclave.keys"]


def test_a6__child_of_the_process__is_confined_before_the_first_request(
    process: TemplateProcess,
) -> None:
    assert process.render("{{ messages[0].content }}", QUESTION, {}) == "duck"
    (child,) = process._children
    folder = Path("/proc") / str(child.pid)
    status = (folder / "status").read_text().splitlines()
    assert {"Seccomp:\t2", "NoNewPrivs:\t1"} <= {*status}
    limits = " ".join((folder / "limits").read_text().split())
    assert "Max open files 0 0" in limits
    assert sorted(os.listdir(folder / "fd")) == ["0", "1", "2"]


@pytest.mark.parametrize("value", ["'a <b> 7'", "7.5", "messages", "messages[0]", "none"])
def test_a6__every_filter_and_test_of_jinja__needs_nothing_that_is_forbidden(
    process: TemplateProcess, value: str
) -> None:
    environment = ImmutableSandboxedEnvironment()
    templates = [f"{{{{ {value} | {name} }}}}" for name in environment.filters]
    templates += [f"{{{{ {value} is {name} }}}}" for name in environment.tests]
    templates += [f"{{{{ {value} | {name}(2) }}}}" for name in environment.filters]
    process.render("", QUESTION, {})
    (child,) = process._children
    for template in templates:
        render_or_fail(process, template)
    assert process._children == [child]
    assert child.poll() is None


@pytest.mark.parametrize(
    "template",
    [
        *("{{ lipsum(1) }}", "{{ '\\N{DASH}\\u00e9\\n' }}", "{{ 1() }}", "{% if %}", "{{ x.y.z }}"),
        *("{{ strftime_now('%A %d %B %Y %H:%M %Z %j %c %x') }}", "{{ '%s %r' % ('a', 'ü') }}"),
        *("{{ '{:,.3f} {!r}'.format(1234.5, 'x') }}", "{{ raise_exception('no') }}"),
        *("{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{{ 10 ** 400 }}"),
        *("{{ messages | tojson(indent=2) }}", "{% set n = namespace(a=1) %}{{ n.a }}"),
        *("{{ '\\d' }}", "{{ 'x' is 'x' }}", "{% debug %}", "{{ cycler(1, 2).next() }}"),
        *("{{ 'é'.encode('utf-8') }}", "{{ 'x' * 9999999 | length }}", "{{ [1] * 99999999 }}"),
        *("{{ 'ß'.casefold().title().zfill(9) }}", "{{ range(9999999) }}", "{{ self }}"),
    ],
)
def test_a6__uncommon_template__renders_or_fails_in_words(
    process: TemplateProcess, template: str
) -> None:
    process.render("", QUESTION, {})
    (child,) = process._children
    render_or_fail(process, template)
    assert child.poll() is None


def test_a6__machine_without_a_list__child_renders_nothing_and_says_so() -> None:
    code = f"""
import os, sys, types
sys.path.insert(0, {str(SCRIPT.parent)!r})
os.uname = lambda: types.SimpleNamespace(machine="riscv64")
import renderer
renderer.main()
"""
    finished = run_child(code, sent=struct.pack(">I", 4) + bytes(4))
    assert finished.returncode == 0
    assert UNCONFINED.encode() in finished.stdout


@pytest.mark.parametrize("machine", sorted(_CALLS))
def test_a6_assemble__any_call__is_allowed_if_listed_for_this_architecture(machine: str) -> None:
    architecture, calls = _CALLS[machine]
    program = _assemble(architecture, sorted(calls.values()))
    listed = set(calls.values())
    x32_bit, i386 = 0x40000000, 0x40000003
    for number in [*range(600), *(x32_bit + each for each in range(600))]:
        assert _decide(program, architecture, number) == (ALLOW if number in listed else KILL)
        assert _decide(program, i386, number) == KILL


def _decide(program: bytes, architecture: int, number: int) -> int:
    """What the kernel does with a call."""
    instructions, place, accumulator = list(struct.iter_unpack("=HBBI", program)), 0, 0
    while True:
        code, if_equal, otherwise, value = instructions[place]
        place += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            accumulator = {0: number, 4: architecture}[value]
        elif code == 0x15:
            place += if_equal if accumulator == value else otherwise
        else:
            raise AssertionError(json.dumps(code))

# SPDX-License-Identifier: Apache-2.0
"""Deeply nested JSON, far below every limit on sizes, in each file that a command reads.

Python's parser would crash these processes: py_ecc raises the recursion limit. So each command runs
in a process of its own, forked from one that has imported it, and py_ecc as a wallet does.

given 200 kB of brackets as keystore, deployment file, quote, app-compose document, collateral,
config.json, index, safetensors header, GGUF's tokenizer or hosts file
    when a command reads it
        it should end with one sentence
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked_commands import ForkedCommands
from tests.teetee.quotes.recorded import VECTORS

pytestmark = pytest.mark.timeout(180)

LISTS, OBJECTS = b"[" * 200_000, b'{"a":' * 40_000
QUOTE = str(VECTORS / "quotes" / "tdx_v4_b0c06f_near_mpc.bin")
COLLATERAL = VECTORS / "collateral" / "tdx_b0c06f_2026-08"

COMMANDS = {
    "keystore": ("teetee.cli", "wallet", "show", "--keystore", "FILE"),
    "deployment file": ("teetee.cli", "--deployment", "FILE", "models"),
    "quote": ("teetee.cli", "quote", "show", "FILE"),
    "app-compose": ("teetee.cli", "image", "measure", "FILE"),
    "hosts": ("shard_tools.__main__", "plan", "FOLDER", "--hosts", "FILE"),
}


@pytest.fixture(scope="module")
def commands() -> Iterator[ForkedCommands]:
    with ForkedCommands("py_ecc", "teetee.cli", "shard_tools.__main__") as commands:
        yield commands


def expect_sentence(ended: subprocess.CompletedProcess[bytes], *words: bytes) -> None:
    assert ended.returncode in (1, 2)  # a crash would be negative
    assert b"Traceback" not in ended.stderr
    assert b"report it" not in ended.stderr
    for each in words:
        assert each in ended.stdout + ended.stderr


@pytest.mark.parametrize("content", [LISTS, OBJECTS], ids=["lists", "objects"])
@pytest.mark.parametrize("name", COMMANDS)
def test_command__nested_file__is_one_sentence(
    commands: ForkedCommands, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    named = {"FILE": str(path), "FOLDER": str(tmp_path)}
    ended = commands.run(*(named.get(each, each) for each in COMMANDS[name]))
    expect_sentence(ended)


@pytest.mark.parametrize("member", ["tcb_info.json", "qe_identity.json"])
def test_quote_check__nested_collateral__is_refused(
    commands: ForkedCommands, tmp_path: Path, member: str
) -> None:
    folder = Path(shutil.copytree(COLLATERAL, tmp_path / "set"))
    (folder / member).write_bytes(b'{"tcbInfo":' + LISTS)
    ended = commands.run("teetee.cli", "quote", "check", QUOTE, "--collateral", str(folder))
    assert ended.returncode in (0, 1)  # both verifiers refuse it, or there is no anvil
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("content", [LISTS, OBJECTS], ids=["lists", "objects"])
@pytest.mark.parametrize(
    "member", ["config.json", "model.safetensors.index.json", "tokenizer_config.json"]
)
def test_digest__nested_member_of_a_model__is_refused(
    commands: ForkedCommands, tmp_path: Path, member: str, content: bytes
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / member).write_bytes(content)
    expect_sentence(commands.run("shard_tools.__main__", "digest", str(tmp_path)))


def test_digest__nested_header_of_safetensors__is_refused(
    commands: ForkedCommands, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    header = len(LISTS).to_bytes(8, "little") + LISTS
    (tmp_path / "model.safetensors").write_bytes(header)
    expect_sentence(commands.run("shard_tools.__main__", "digest", str(tmp_path)))


STREAMS = {
    "full disk": "> /dev/full",
    "closed": ">&-",
    "without a reader": "| true",
    "in ASCII": "> /dev/null",
}


@pytest.mark.parametrize("name", STREAMS)
def test_shard_tools__output_breaks__has_no_trace(name: str) -> None:
    call = f"'{sys.executable}' -m shard_tools plan --help {STREAMS[name]}"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(
        ["/bin/sh", "-c", call], env=environment, capture_output=True, timeout=120, check=False
    )
    assert b"Traceback" not in ended.stderr
    assert b"Exception ignored" not in ended.stderr
    if name in ("full disk", "closed"):
        assert ended.returncode == 2
        assert ended.stderr.startswith(b"error: The output cannot be written (")

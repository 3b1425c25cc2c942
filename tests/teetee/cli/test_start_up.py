# SPDX-License-Identifier: Apache-2.0
"""What a call costs before it does anything: the modules that it imports.

given the command alone
    when its help is asked for
        it should import neither web3 nor torch nor eth_account
given a usage error, or a wallet or network that is missing
    when the command is called
        it should end before web3 is imported
given a command that reads the chain
    when it is called
        it should import what it uses, and nothing of what other commands use
given the table of commands
    it should summarise each command as the command's own help does
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from teetee.cli.app import COMMANDS
from tests.teetee.cli.terminal import at_lab
from tests.teetee.client.lab import Lab

HEAVY = ("web3", "torch", "eth_account", "aiohttp", "dcap_qvl")

CALL = """
import sys
from teetee.cli import main
sys.argv = ["teetee", *sys.argv[1:]]
try:
    main()
except SystemExit as error:
    print("exit", error.code, *sorted(set({heavy!r}) & set(sys.modules)))
"""


def imported_by(
    *arguments: str, folder: str, heavy: tuple[str, ...] = HEAVY, env: dict[str, str] | None = None
) -> tuple[int, set[str]]:
    """Exit code, and the heavy modules that were imported."""
    environment = {name: value for name, value in os.environ.items() if "TEETEE" not in name}
    environment |= {"XDG_CONFIG_HOME": folder, "XDG_STATE_HOME": folder} | (env or {})
    call = [sys.executable, "-c", CALL.format(heavy=heavy), *arguments]
    output = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
    _, code, *modules = output.stdout.splitlines()[-1].split()
    return int(code), set(modules)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("ask", "--help"),
        ("wallet", "--help"),
        ("host", "--help"),
        ("host", "run", "--help"),
        ("shards", "--help"),
        ("verify", "--help"),
        ("quote", "check", "--help"),
        ("collateral", "sync", "--help"),
    ],
    ids=" ".join,
)
def test_help__any__imports_no_heavy_library(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert imported_by(*arguments, folder=str(tmp_path)) == (0, set())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nonsense",), 2),
        (("verify", "abc"), 2),
        (("ask", ""), 1),
        (("ask", "Why?", "--max-price", "much"), 1),
        (("ask", "Why?"), 1),
        (("wallet", "show"), 1),
        (("wallet", "balance"), 1),
        (("host", "run"), 2),
        (("shards", "--network", "base-nowhere"), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_error__before_anything_is_read__imports_no_heavy_library(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    assert imported_by(*arguments, folder=str(tmp_path)) == (code, set())


@pytest.mark.parametrize(
    "arguments",
    [("wallet", "balance"), ("shards", "--all"), ("models",), ("history",), ("host", "status")],
    ids=" ".join,
)
def test_command__that_only_reads__imports_no_verifier_and_no_client(
    lab: Lab, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    env = at_lab(lab, tmp_path, lab.enclaves[0].host)
    del env["TEETEE_PCCS"]
    others = ("torch", "dcap_qvl", "teetee.client.client", "teetee.client.hosting.hosting")
    assert imported_by(*arguments, folder=str(tmp_path), heavy=others, env=env) == (0, set())


@pytest.mark.parametrize("name", COMMANDS)
def test_table_of_commands__each__begins_like_the_commands_own_help(name: str) -> None:
    """The table may be shorter, but it is the same sentence in the same order."""
    own = COMMANDS[name].load(name).help or ""
    assert own.startswith(COMMANDS[name].summary.rstrip(".")), own

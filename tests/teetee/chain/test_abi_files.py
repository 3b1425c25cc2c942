# SPDX-License-Identifier: Apache-2.0
"""The committed ABIs.

given the contracts as forge compiles them now
    the committed files should equal the script's output
given a stale, missing or superfluous file
    the check should name it
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from teetee.chain.abi import abi_names, load_abi
from tests.teetee.chain.local_chain import ROOT, compile_contracts

SCRIPT = ROOT / "scripts" / "export_abi.py"


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_export_abi__of_the_present_contracts__finds_the_files_fresh() -> None:
    compile_contracts()
    checked = run(SCRIPT, "--check")
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script in its own repository."""
    compile_contracts()
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    shutil.copytree(ROOT / "teetee" / "abi", tmp_path / "teetee" / "abi")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "forge").symlink_to(ROOT / "build" / "forge")
    return tmp_path


def test_export_abi__stale_missing_and_superfluous_files__are_named_then_mended(
    copy: Path,
) -> None:
    folder = copy / "teetee" / "abi"
    (folder / "UsageToken.json").write_text("[]")
    (folder / "ShardRegistry.json").unlink()
    (folder / "Forgotten.json").write_text("[]")
    script = copy / "scripts" / "export_abi.py"
    checked = run(script, "--check")
    assert checked.returncode == 1
    assert "Forgotten.json, ShardRegistry.json, UsageToken.json" in checked.stderr
    assert run(script).returncode == 0
    assert run(script, "--check").returncode == 0
    assert not (folder / "Forgotten.json").exists()


def test_export_abi__without_compiled_contracts__says_what_to_run(copy: Path) -> None:
    (copy / "build" / "forge").unlink()
    missing = run(copy / "scripts" / "export_abi.py")
    assert missing.returncode == 1
    assert "make contracts" in missing.stderr


def test_load_abi__every_name__is_sorted_and_has_functions() -> None:
    for name in abi_names():
        abi = load_abi(name)
        assert [entry["type"] for entry in abi] == sorted(entry["type"] for entry in abi)
        assert any(entry["type"] == "function" for entry in abi)

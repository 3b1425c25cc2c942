# SPDX-License-Identifier: Apache-2.0
"""The contracts are compiled when a comparison needs them first.

given a folder in which nothing is compiled
    it should run forge once, and say so before
    it should name the missing file if forge fails
given compiled contracts
    it should run nothing
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teetee.quote_comparison.compiled_contracts import compile_if_missing, load_artefact
from teetee.quote_comparison.errors import ContractsNotCompiled

FORGE = """#!/bin/sh
echo "$@" >> calls
mkdir -p build/forge/Verifier.sol
echo '{"abi": [], "bytecode": {"object": "0x6000"}}' > build/forge/Verifier.sol/Verifier.json
"""


def repository(folder: Path, forge: str) -> Path:
    (folder / "toolchain").mkdir()
    program = folder / "toolchain" / "forge"
    program.write_text(forge)
    program.chmod(0o755)
    return folder


def test_compile_if_missing__nothing_compiled__compiles_once_and_says_so(tmp_path: Path) -> None:
    root, announced = repository(tmp_path, FORGE), list[str]()
    for _ in range(2):
        compile_if_missing(["Verifier"], lambda: announced.append("compiling"), root)
    assert load_artefact("Verifier", root).bytecode == "0x6000"
    assert announced == ["compiling"]
    assert (root / "calls").read_text() == "build contracts/attestation\n"


@pytest.mark.parametrize("forge", ["#!/bin/sh\nexit 1\n", "no program"])
def test_compile_if_missing__forge_fails__names_the_missing_file(
    tmp_path: Path, forge: str
) -> None:
    root = repository(tmp_path, forge)
    path = root / "build" / "forge" / "Verifier.sol" / "Verifier.json"
    with pytest.raises(ContractsNotCompiled, match=re.escape(str(path))):
        compile_if_missing(["Verifier"], lambda: None, root)

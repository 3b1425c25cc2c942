# SPDX-License-Identifier: Apache-2.0
"""The contracts that forge compiles in this repository: ABI, bytecode, custom errors."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from eth_utils.abi import collapse_if_tuple, function_signature_to_4byte_selector

from teetee.protocol.json import shallow as shallow_json
from teetee.quote_comparison.errors import ContractsNotCompiled

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = "contracts/attestation"
_COMPILE_SECONDS: Final = 600.0


@dataclass(frozen=True)
class ContractArtefact:
    """A contract that can be deployed."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    """Creation code, hex with 0x."""


def load_artefact(name: str, root: Path = ROOT) -> ContractArtefact:
    """The contract of that name. Raises `ContractsNotCompiled`."""
    path = root / "build" / "forge" / f"{name}.sol" / f"{name}.json"
    try:
        content = shallow_json.load(path.read_bytes())
        bytecode = content["bytecode"]["object"]
        abi = content["abi"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ContractsNotCompiled(name, str(path)) from None
    if not isinstance(bytecode, str) or not bytecode.startswith("0x") or len(bytecode) < 4:
        raise ContractsNotCompiled(name, str(path))
    return ContractArtefact(name, abi, bytecode)


def compile_if_missing(
    names: Sequence[str], on_compile: Callable[[], None], root: Path = ROOT
) -> None:
    """Compile the contracts of `SOURCES` unless those names are compiled. `on_compile` is called
    before. Raises `ContractsNotCompiled`.
    """
    try:
        for name in names:
            load_artefact(name, root)
    except ContractsNotCompiled:
        on_compile()
        _compile(root)
        error_signatures.cache_clear()
        for name in names:
            load_artefact(name, root)


def _compile(root: Path) -> None:
    """Without its output: what is missing afterwards is named by `load_artefact`."""
    command = [str(root / "toolchain" / "forge"), "build", SOURCES]
    try:
        subprocess.run(
            command, cwd=root, capture_output=True, timeout=_COMPILE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return


ErrorSignature = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Name, names and types of the arguments."""


@cache
def error_signatures(root: Path = ROOT) -> dict[bytes, ErrorSignature]:
    """Every custom error of contracts and libraries under contracts/attestation, by selector."""
    found: dict[bytes, ErrorSignature] = {}
    for source in sorted((root / "contracts" / "attestation").rglob("*.sol")):
        for path in sorted((root / "build" / "forge" / source.name).glob("*.json")):
            abi = shallow_json.load(path.read_bytes())["abi"]
            for entry in abi:
                if entry["type"] == "error":
                    types = tuple(collapse_if_tuple(argument) for argument in entry["inputs"])
                    names = tuple(argument["name"] for argument in entry["inputs"])
                    signature = f"{entry['name']}({','.join(types)})"
                    selector = bytes(function_signature_to_4byte_selector(signature))
                    found[selector] = (entry["name"], names, types)
    return found

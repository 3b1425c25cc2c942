# SPDX-License-Identifier: Apache-2.0
"""The contracts' bytecode, as forge compiled it in this repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from eth_utils.abi import collapse_if_tuple, function_signature_to_4byte_selector

from teetee.quote_comparison.errors import ContractsNotCompiled

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Artefact:
    """One contract that can be deployed."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    """Creation code, hex with 0x."""


def artefact(name: str, root: Path = ROOT) -> Artefact:
    """Raises `ContractsNotCompiled`."""
    path = root / "build" / "forge" / f"{name}.sol" / f"{name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        bytecode = content["bytecode"]["object"]
        abi = content["abi"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ContractsNotCompiled(name, str(path)) from None
    if not isinstance(bytecode, str) or not bytecode.startswith("0x") or len(bytecode) < 4:
        raise ContractsNotCompiled(name, str(path))
    return Artefact(name, abi, bytecode)


ErrorSignature = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Name, names and types of the arguments."""


@cache
def error_signatures(root: Path = ROOT) -> dict[bytes, ErrorSignature]:
    """Every custom error under contracts/attestation, the libraries' too, by selector."""
    found: dict[bytes, ErrorSignature] = {}
    for source in sorted((root / "contracts" / "attestation").glob("*.sol")):
        for path in sorted((root / "build" / "forge" / source.name).glob("*.json")):
            abi = json.loads(path.read_text(encoding="utf-8"))["abi"]
            for entry in abi:
                if entry["type"] == "error":
                    types = tuple(collapse_if_tuple(argument) for argument in entry["inputs"])
                    names = tuple(argument["name"] for argument in entry["inputs"])
                    signature = f"{entry['name']}({','.join(types)})"
                    selector = bytes(function_signature_to_4byte_selector(signature))
                    found[selector] = (entry["name"], names, types)
    return found

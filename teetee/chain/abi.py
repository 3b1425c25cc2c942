# SPDX-License-Identifier: Apache-2.0
"""Loads the contracts' ABIs from files that `scripts/export_abi.py` generates."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from eth_utils.abi import collapse_if_tuple, function_signature_to_4byte_selector

from teetee.protocol.json import shallow as shallow_json

Abi = list[dict[str, Any]]


@cache
def abi_names() -> tuple[str, ...]:
    """The names of the contracts that have an ABI here."""
    names = (entry.name for entry in files("teetee.abi").iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


@cache
def load_abi(name: str) -> Abi:
    """The ABI of a contract. Raises `FileNotFoundError` for a name that is not in `abi_names()`."""
    abi: Abi = shallow_json.load(files("teetee.abi").joinpath(f"{name}.json").read_bytes())
    return abi


@dataclass(frozen=True, slots=True)
class ErrorType:
    """A custom error's declaration."""

    name: str
    types: tuple[str, ...]
    names: tuple[str, ...]


@cache
def error_types() -> dict[bytes, ErrorType]:
    """Every custom error of every contract, by selector.

    One table for all: a contract passes on the errors of the contracts that it calls.
    """
    found = {}
    for contract in abi_names():
        for entry in load_abi(contract):
            if entry["type"] != "error":
                continue
            types = tuple(collapse_if_tuple(argument) for argument in entry["inputs"])
            signature = f"{entry['name']}({','.join(types)})"
            names = tuple(argument["name"] for argument in entry["inputs"])
            error = ErrorType(entry["name"], types, names)
            found[bytes(function_signature_to_4byte_selector(signature))] = error
    return found

# SPDX-License-Identifier: Apache-2.0
"""Promises of docs/extending.md: what fails until an extension is complete.

given a command of `teetee`
    every option and argument should say what it is for
given the attestation policy
    contract, Python and administration should list the same fields, in the same order
given an endpoint of the enclave
    the protocol page should list its ALPN name
    no other module should spell it
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from teetee.chain.abi import load_abi
from teetee.chain.types import policies
from teetee.cli.app import COMMANDS as TABLE
from teetee.protocol import endpoint
from tests.source_tree import ROOT, modules_of, relative, syntax_tree


def commands_of(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for each, found in getattr(command, "commands", {}).items():
        yield from commands_of(found, f"{name} {each}")


COMMANDS = dict(each for name, lazy in TABLE.items() for each in commands_of(lazy.load(name), name))


@pytest.mark.parametrize("name", COMMANDS)
def test_command__every_parameter__says_what_it_is_for(name: str) -> None:
    silent = {
        parameter.name for parameter in COMMANDS[name].params if not getattr(parameter, "help", "")
    }
    assert not silent


def struct_members(abi: list[dict[str, object]], struct: str) -> list[str]:
    """The members of a struct, from the first place in an ABI that has it."""
    for entry in _nested(abi):
        if str(entry.get("internalType", "")).endswith(f"struct {struct}"):
            components = entry["components"]
            assert isinstance(components, list)
            return [each["name"] for each in components]
    raise AssertionError(f"the ABI has no struct {struct}")


def _nested(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _nested(each)
    elif isinstance(value, list):
        for each in value:
            yield from _nested(each)


def test_policy__contract_and_python__list_the_same_fields() -> None:
    in_contract = struct_members(load_abi("ShardRegistry"), "AttestationPolicy")
    assert list(policies.MEMBERS) == in_contract
    assert len(policies.AttestationPolicy.__dataclass_fields__) == len(in_contract)


def test_policy__administration__has_an_option_for_every_field() -> None:
    source = (ROOT / "administration" / "policy" / "fields.py").read_text(encoding="utf-8")
    named = set(re.findall(r'PolicyField\(\s+"(\w+)"', source))
    assert named == set(policies.AttestationPolicy.__dataclass_fields__)


ALPN_NAMES = {value for name, value in vars(endpoint).items() if name.endswith("_ALPN")}


def test_endpoint__every_one__is_listed_in_the_protocol() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(teetee-\w+/\d+)` \|", page, re.MULTILINE)
    assert ALPN_NAMES
    assert sorted(listed) == sorted(ALPN_NAMES)


def test_endpoint__alpn_names__are_spelled_in_one_module() -> None:
    spelled_in = {
        relative(path)
        for package in ("teetee", "shard_runtime", "shard_tools", "oracle")
        for path in modules_of(package)
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.Constant) and re.fullmatch(r"teetee-\w+/\d+", str(node.value))
    }
    assert spelled_in == {"teetee/protocol/endpoint.py"}

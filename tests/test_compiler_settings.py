# SPDX-License-Identifier: Apache-2.0
"""forge tests the same bytecode that ape deploys: both are told the same about the compiler.

given foundry.toml and ape-config.yaml
    it should be the same compiler, from the same package, for the same EVM, equally optimized
    it should be the same libraries under the same names
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def forge() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]
    return dict(settings["default"])


@pytest.fixture(scope="module")
def ape() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "ape-config.yaml").read_text()))


def test_compiler__version__is_the_one_that_npm_brings(ape: dict[str, Any]) -> None:
    packages = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    assert ape["solidity"]["version"] == packages["solc"]


@pytest.mark.parametrize(
    ("forge_key", "ape_key"),
    [
        ("evm_version", "evm_version"),
        ("optimizer", "optimize"),
        ("optimizer_runs", "optimization_runs"),
        ("via_ir", "via_ir"),
    ],
)
def test_compiler__each_setting__is_the_same_for_forge_and_ape(
    forge: dict[str, Any], ape: dict[str, Any], forge_key: str, ape_key: str
) -> None:
    assert forge[forge_key] == ape["solidity"][ape_key]


def test_compiler__libraries__are_the_same_for_forge_and_ape(
    forge: dict[str, Any], ape: dict[str, Any]
) -> None:
    assert sorted(forge["remappings"]) == sorted(ape["solidity"]["import_remapping"])


def test_chain__of_ape_tests__is_anvil_with_the_same_evm(
    forge: dict[str, Any], ape: dict[str, Any]
) -> None:
    assert ape["foundry"]["evm_version"] == forge["evm_version"]
    assert ape["foundry"]["use_optimism"] is False

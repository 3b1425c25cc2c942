# SPDX-License-Identifier: Apache-2.0
"""What an import costs.

given a module of protocol, quotes, chain or collateral
    when it is imported
        it should not import web3 or eth_account, which take most of a second
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "teetee"
HEAVY = ["web3", "eth_account"]
NEEDS_WEB3 = {"teetee.chain.nodes.provider"}
"""It subclasses one of web3's classes; `Connection` imports it when it connects."""

SCRIPT = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


def modules_of(package: str) -> list[str]:
    paths = (PACKAGE / package).rglob("*.py")
    names = (
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
    )
    return sorted(set(names) - NEEDS_WEB3)


@pytest.mark.parametrize(
    "package", ["protocol", "enclave", "quotes", "chain", "collateral", "quote_comparison"]
)
def test_import__every_module_of_a_package__imports_neither_web3_nor_eth_account(
    package: str,
) -> None:
    names = modules_of(package)
    assert names
    arguments = [json.dumps(names), json.dumps(HEAVY)]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == []

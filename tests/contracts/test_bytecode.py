# SPDX-License-Identifier: Apache-2.0
"""What forge has tested is what ape deploys, to the byte.

given every contract under contracts/ that can be deployed
    when forge and ape have compiled it
        it should be the same creation code, metadata hash included
"""

import json
from pathlib import Path
from typing import Any

import pytest

FORGE_OUTPUT = Path(__file__).parents[2] / "build" / "forge"


@pytest.mark.usefixtures(
    "deployed"
)  # the deploy script compiles afresh; ape alone overlooks imports
def test_creation_code__forge_and_ape__is_the_same(project: Any) -> None:
    differing = []
    for name, contract in project.load_contracts().items():
        code = contract.deployment_bytecode
        if code is None or not code.bytecode or code.bytecode == "0x":
            continue  # interfaces and abstract contracts
        file = Path(contract.source_id).name
        artifact = json.loads((FORGE_OUTPUT / file / f"{name}.json").read_text())
        if artifact["bytecode"]["object"] != code.bytecode:
            differing.append(name)
    assert not differing

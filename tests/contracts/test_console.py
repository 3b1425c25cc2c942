# SPDX-License-Identifier: Apache-2.0
"""`ape console`

given a deployment on the connected chain
    it should know the contracts by name, and list models, policies, shards, open requests
    when a list is printed
        it should show a record's fields, one a line
given `-c` with code that fails
    it should end with status 1
given none, or one of another chain
    it should say so, and open all the same
"""

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from teetee.quotes.tcb_status import TcbStatus
from tests.contracts.conftest import INPUT_PRICE, OUTPUT_PRICE
from tests.contracts.deployed import DeployedContracts, Roles
from tests.contracts.enrolment import EnrolledShard
from tests.contracts.paid_requests import INPUT_CAP, OUTPUT_CAP, ask, parameters_of
from tests.contracts.scripts import Scripts

ROOT = Path(__file__).parents[2]
DEPOSIT = INPUT_CAP * INPUT_PRICE + OUTPUT_CAP * OUTPUT_PRICE


def load(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def extras() -> ModuleType:
    return load(ROOT / "ape_console_extras.py")


@pytest.fixture
def opened(
    extras: ModuleType,
    scripts: Scripts,
    deployed: DeployedContracts,
    networks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    monkeypatch.setenv("TEETEE_DEPLOYMENT", str(scripts.deployment))
    names: dict[str, Any] = extras.ape_init_extras(networks)
    return names


def test_console__deployment_there__knows_the_contracts_by_name(
    opened: dict[str, Any], deployed: DeployedContracts, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("token", "registry", "escrow", "verifier", "certificates", "manager"):
        assert opened[name].address == getattr(deployed, name).address
    assert opened["registry"].escrow() == deployed.escrow.address
    assert opened["manager"].ADMIN_ROLE() == 0
    assert opened["tee"]("1.5") == 15 * 10**17
    assert "TeeTee on base-local, chain 31337" in capsys.readouterr().out


def test_console__helpers__list_what_is_there(
    deployed: DeployedContracts,
    roles: Roles,
    model_id: int,
    path: tuple[EnrolledShard, EnrolledShard],
    opened: dict[str, Any],
) -> None:
    deployed.token.transfer(roles.requester, DEPOSIT, sender=roles.treasury)
    parameters = parameters_of(deployed, model_id, path[0])
    request_id, _ = ask(deployed, roles.requester, parameters, DEPOSIT)
    assert opened["models"]()[model_id].name == "four layers"
    assert opened["policies"]()[model_id].accepted == {TcbStatus.UP_TO_DATE}
    assert {path[0].shard_id, path[1].shard_id} <= set(opened["shards"]())
    shown = str(opened["shards"]())
    assert re.search(rf"^{path[0].shard_id}:\n(  .*\n)*  host +{path[0].host.address}\n", shown)
    assert re.search(r"\n  attestedUntil +\d+  20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\n", shown)
    assert re.search(r"\n  status +1  ACTIVE\n(  .*\n)*  bond +(\d+)0{18}  \2 TEE\n", shown)
    assert opened["open_requests"]()[request_id].requester == roles.requester.address
    assert re.search(r"\n  status +1  OPEN\n", str(opened["open_requests"]()))


def test_console__no_deployment__says_so_and_opens(
    extras: ModuleType,
    networks: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEETEE_DEPLOYMENT", str(tmp_path / "none.json"))
    assert set(extras.ape_init_extras(networks)) == {"tee", "amount"}
    assert "use the world of `make world`: `source build/world.env`" in capsys.readouterr().out


def test_console__deployment_of_another_chain__says_so(
    extras: ModuleType,
    scripts: Scripts,
    deployed: DeployedContracts,
    networks: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = json.loads(scripts.deployment.read_text()) | {"chainId": 8453}
    file = tmp_path / "other.json"
    file.write_text(json.dumps(other))
    monkeypatch.setenv("TEETEE_DEPLOYMENT", str(file))
    assert set(extras.ape_init_extras(networks)) == {"tee", "amount"}
    assert "serves chain 31337 instead of chain 8453" in capsys.readouterr().out


@pytest.mark.parametrize("code", ["missing", "1 +"], ids=["unknown name", "syntax"])
def test_console__code_fails__ends_with_1(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    execute = load(ROOT / "toolchain" / "console_with_status.py").execute
    with pytest.raises(SystemExit) as ended:
        execute(["value = 1 + 1", code, "print('not reached')"])
    assert ended.value.code == 1
    assert "not reached" not in capsys.readouterr().out

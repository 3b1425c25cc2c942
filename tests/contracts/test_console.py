# SPDX-License-Identifier: Apache-2.0
"""`ape console`

given a deployment on the connected chain
    it should know the contracts by name, and list models, policies, shards, open requests
given none, or one of another chain
    it should say so, and open all the same
"""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ape.managers.project import ProjectManager

from teetee.quotes.tcb_status import TcbStatus
from tests.contracts.conftest import INPUT_PRICE, OUTPUT_PRICE, Cast, House
from tests.contracts.enrolment import EnrolledShard
from tests.contracts.paid_requests import INPUT_CAP, OUTPUT_CAP, ask, parameters_of
from tests.contracts.scripts import Scripts

EXTRAS = Path(__file__).parents[2] / "ape_console_extras.py"
DEPOSIT = INPUT_CAP * INPUT_PRICE + OUTPUT_CAP * OUTPUT_PRICE


@pytest.fixture(scope="module")
def extras() -> ModuleType:
    spec = spec_from_file_location("ape_console_extras", EXTRAS)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def opened(
    extras: ModuleType,
    scripts: Scripts,
    house: House,
    project: ProjectManager,
    networks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    monkeypatch.setenv("TEETEE_DEPLOYMENT", str(scripts.deployment))
    names: dict[str, Any] = extras.ape_init_extras(project, networks)
    return names


def test_console__deployment_there__knows_the_contracts_by_name(
    opened: dict[str, Any], house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("token", "registry", "escrow", "verifier", "certificates", "manager"):
        assert opened[name].address == getattr(house, name).address
    assert opened["registry"].escrow() == house.escrow.address
    assert opened["manager"].ADMIN_ROLE() == 0
    assert opened["tee"]("1.5") == 15 * 10**17
    assert "TeeTee on base-local, chain 31337" in capsys.readouterr().out


def test_console__helpers__list_what_is_there(
    house: House,
    cast: Cast,
    model_id: int,
    path: tuple[EnrolledShard, EnrolledShard],
    opened: dict[str, Any],
) -> None:
    house.token.transfer(cast.requester, DEPOSIT, sender=cast.treasury)
    parameters = parameters_of(house, model_id, path[0])
    request_id, _ = ask(house, cast.requester, parameters, DEPOSIT)
    assert opened["models"]()[model_id].name == "four layers"
    assert opened["policies"]()[model_id].accepted == {TcbStatus.UP_TO_DATE}
    assert {path[0].shard_id, path[1].shard_id} <= set(opened["shards"]())
    assert opened["open_requests"]()[request_id].requester == cast.requester.address


def test_console__no_deployment__says_so_and_opens(
    extras: ModuleType,
    project: ProjectManager,
    networks: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEETEE_DEPLOYMENT", str(tmp_path / "none.json"))
    assert set(extras.ape_init_extras(project, networks)) == {"tee", "amount"}
    assert "Deploy them with `ape run deploy`" in capsys.readouterr().out


def test_console__deployment_of_another_chain__says_so(
    extras: ModuleType,
    scripts: Scripts,
    house: House,
    project: ProjectManager,
    networks: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = json.loads(scripts.deployment.read_text()) | {"chainId": 8453}
    file = tmp_path / "other.json"
    file.write_text(json.dumps(other))
    monkeypatch.setenv("TEETEE_DEPLOYMENT", str(file))
    assert set(extras.ape_init_extras(project, networks)) == {"tee", "amount"}
    assert "serves chain 31337, but chain 8453 is meant" in capsys.readouterr().out

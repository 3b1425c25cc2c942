# SPDX-License-Identifier: Apache-2.0
"""Deployment files.

given a deployment
    when it is saved and loaded
        it should be the same
given a file
    when it is missing or names no contracts
        it should say how to deploy
    when a field is missing or wrong
        the error should name it
given the committed files
    they should name their chains
"""

import json
from pathlib import Path
from typing import Any

import pytest

from teetee.chain.deployment import LOCAL_NETWORK, Deployment, deployment_path
from teetee.chain.errors import DeploymentInvalid, NotDeployed
from teetee.chain.trusted_models import TrustedModel

ADDRESS = "0x60B50f9DFb195eb858ec09a4657030558f33CEbb"
DEPLOYMENT = Deployment(
    network="base-local",
    chain_id=31337,
    token=ADDRESS,
    registry=ADDRESS,
    escrow=ADDRESS,
    verifier=ADDRESS,
    certificates=ADDRESS,
    access_manager=ADDRESS,
    deployed_at_block=5,
    root_ca_fingerprint=b"\x07" * 32,
    models=(
        TrustedModel(
            model_id=1,
            name="SmolLM2",
            digest=b"\x01" * 32,
            measurements=(b"\x02" * 32, b"\x03" * 32),
            withdrawn=(b"\x04" * 32,),
        ),
    ),
)

MODEL = DEPLOYMENT.models[0].to_json()


def test_load__what_was_saved__is_the_same(tmp_path: Path) -> None:
    DEPLOYMENT.save(tmp_path / "deeper" / "base-local.json")
    assert Deployment.load(tmp_path / "deeper" / "base-local.json") == DEPLOYMENT


@pytest.mark.parametrize("network", ["base-sepolia", "base-mainnet"])
def test_load__committed_file__is_of_its_chain_and_deployed_or_says_how(network: str) -> None:
    path = deployment_path(network)
    value = json.loads(path.read_text())
    assert (value["network"], value["chainId"]) in [("base-sepolia", 84532), ("base-mainnet", 8453)]
    assert value["network"] == network
    if value["contracts"]:
        assert Deployment.load(path).chain_id == value["chainId"]
    else:
        with pytest.raises(NotDeployed) as refused:
            Deployment.load(path)
        assert "ape run deploy" in str(refused.value)


def test_load__no_file__says_how_to_deploy(tmp_path: Path) -> None:
    with pytest.raises(NotDeployed) as refused:
        Deployment.load(tmp_path / "base-local.json")
    assert refused.value.network == "base-local"


def test_deployment_path__local__is_built_and_not_committed(tmp_path: Path) -> None:
    assert deployment_path(LOCAL_NETWORK, tmp_path).parent == tmp_path / "build" / "deployments"
    assert deployment_path("base-sepolia", tmp_path).parent == tmp_path / "deployments"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"chainId": "31337"}, "chainId"),
        ({"chainId": True}, "chainId"),
        ({"deployedAtBlock": -1}, "deployedAtBlock"),
        ({"rootCaFingerprint": "0x12"}, "rootCaFingerprint"),
        ({"rootCaFingerprint": 5}, "rootCaFingerprint"),
        ({"contracts": []}, "contracts"),
        ({"models": {}}, "models"),
        ({"models": [{}]}, "models"),
        ({"models": [MODEL | {"id": 0}]}, "models"),
        ({"models": [MODEL | {"digest": "0x12"}]}, "models"),
        ({"models": [MODEL | {"measurements": [5]}]}, "models"),
        ({"models": [MODEL, MODEL]}, "models"),
        ({"contracts": {"token": ADDRESS}}, "the file"),
        ({"surprise": 1}, "the file"),
    ],
)
def test_load__wrong_field__is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    path = tmp_path / "base-local.json"
    DEPLOYMENT.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(DeploymentInvalid) as refused:
        Deployment.load(path)
    assert refused.value.field == field


def test_load__address_without_checksum__is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "base-local.json"
    DEPLOYMENT.save(path)
    value = json.loads(path.read_text())
    value["contracts"]["escrow"] = ADDRESS.lower()
    path.write_text(json.dumps(value))
    with pytest.raises(DeploymentInvalid) as refused:
        Deployment.load(path)
    assert refused.value.field == "escrow"


def test_load__no_json__is_refused(tmp_path: Path) -> None:
    (tmp_path / "base-local.json").write_text("{")
    with pytest.raises(DeploymentInvalid):
        Deployment.load(tmp_path / "base-local.json")


def test_load__without_models__trusts_none(tmp_path: Path) -> None:
    path = tmp_path / "base-local.json"
    DEPLOYMENT.save(path)
    value = json.loads(path.read_text())
    del value["models"]
    path.write_text(json.dumps(value))
    deployment = Deployment.load(path)
    assert deployment.trusted_model(1) is None
    assert DEPLOYMENT.trusted_model(1) == DEPLOYMENT.models[0]


def test_trusted_model__image_withdrawn_and_allowed_again__is_in_one_list() -> None:
    model, image = DEPLOYMENT.models[0], b"\x02" * 32
    without = model.without_measurement(image)
    assert image not in without.measurements
    assert image in without.withdrawn
    again = DEPLOYMENT.with_model(without.with_measurement(image)).trusted_model(1)
    assert again is not None
    assert image in again.measurements
    assert image not in again.withdrawn

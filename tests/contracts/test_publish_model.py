# SPDX-License-Identifier: Apache-2.0
"""`ape run publish_model`

given a manifest and prices, by the publisher
    it should put the digests, the prices and the measurement on chain, and say the model's number
given another account
    it should be refused
given a price of zero, or a file that is no manifest
    it should say so
given no minimum evaluation number
    when the chain has collateral in force
        it should take the highest number of it
    when it has none
        it should say so, and send nothing
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ape.managers.chain import ChainManager

from tee_simulator import SimulatedPki
from teetee.protocol.layers import LayerRange
from tests.contracts.collateral import bring_collateral
from tests.contracts.conftest import (
    ANY_EVALUATION_NUMBER,
    ENTRY_LAYER_EQUIVALENTS,
    INPUT_PRICE,
    OUTPUT_PRICE,
    ROYALTY_BPS,
)
from tests.contracts.deployed import DeployedContracts, Roles
from tests.contracts.enclaves import LAYERS, MANIFEST, Enclave
from tests.contracts.scripts import Scripts


def test_publish_model__by_the_publisher__is_on_chain(
    publish: Callable[..., dict[str, Any]],
    deployed: DeployedContracts,
    roles: Roles,
    entry: Enclave,
) -> None:
    published = publish("--manifest-uri", "https://models.example/four.json")
    assert published["modelId"] == deployed.registry.modelCount()
    model = deployed.registry.model(published["modelId"])
    assert (model.name, model.layerCount, model.contextLength) == ("four layers", LAYERS, 2048)
    assert (model.inputPrice, model.outputPrice) == (INPUT_PRICE, OUTPUT_PRICE)
    assert (model.royaltyBps, model.royaltyRecipient) == (ROYALTY_BPS, roles.publisher.address)
    assert model.entryLayerEquivalents == ENTRY_LAYER_EQUIVALENTS
    assert model.manifestURI == "https://models.example/four.json"
    assert deployed.registry.isMeasurementAllowed(published["modelId"], entry.measurement)


def test_publish_model__slices__have_the_digests_of_the_manifest(
    deployed: DeployedContracts, model_id: int
) -> None:
    for first, end, is_entry in ((0, 4, True), (0, 2, True), (2, 4, False), (3, 4, False)):
        on_chain = deployed.registry.sliceDigest(model_id, first, end, is_entry)
        assert bytes(on_chain) == MANIFEST.slice_digest(LayerRange(first, end), is_entry)


def test_publish_model__by_a_stranger__is_refused(
    scripts: Scripts, deployed: DeployedContracts, roles: Roles, folder: Path, model_id: int
) -> None:
    complaint = scripts.fail(
        *("publish_model", "--manifest", str(folder / "manifest.json")),
        *ANY_EVALUATION_NUMBER,
        account=Roles.named("stranger"),
    )
    assert f"AccessManagedUnauthorized(caller={roles.stranger.address})" in complaint


def test_publish_model__price_of_zero__is_refused(
    scripts: Scripts, folder: Path, model_id: int
) -> None:
    complaint = scripts.fail(
        *("publish_model", "--manifest", str(folder / "manifest.json"), "--input-price", "0"),
        *ANY_EVALUATION_NUMBER,
        account=Roles.named("publisher"),
    )
    assert "ZeroPrice()" in complaint


def test_publish_model__file_that_is_no_manifest__is_named(
    scripts: Scripts, deployed: DeployedContracts, tmp_path: Path
) -> None:
    file = tmp_path / "manifest.json"
    file.write_text("{}")
    complaint = scripts.fail("publish_model", "--manifest", str(file))
    assert "The model manifest is not valid" in complaint


def test_l24__number_is_stated__is_the_minimum_of_the_first_policy(
    publish: Callable[..., dict[str, Any]], deployed: DeployedContracts
) -> None:
    published = publish("--minimum-evaluation-number", "19")
    assert published["minimumEvaluationNumber"] == 19
    policy = deployed.registry.policyOf(published["modelId"])
    assert (policy.acceptedStatuses, policy.minimumEvaluationNumber) == (1 << 1, 19)


def test_l24__no_number_is_stated__the_highest_in_force_on_chain(
    scripts: Scripts,
    deployed: DeployedContracts,
    pki: SimulatedPki,
    roles: Roles,
    chain: ChainManager,
    folder: Path,
    collateral: datetime,
    model_id: int,
) -> None:
    manifest = ("publish_model", "--manifest", str(folder / "manifest.json"))
    publisher = Roles.named("publisher")
    assert scripts.facts(*manifest, account=publisher)["minimumEvaluationNumber"] == 20
    now = datetime.fromtimestamp(chain.pending_timestamp, UTC)
    bring_collateral(
        deployed, pki, roles.stranger, now, later_than=collateral, evaluation_number=21
    )
    assert scripts.facts(*manifest, account=publisher)["minimumEvaluationNumber"] == 21
    chain.mine(timestamp=chain.pending_timestamp + 40 * 86_400)  # all of it has expired
    complaint = scripts.fail(*manifest, account=publisher)
    assert "the chain has no QE identity in force" in complaint

# SPDX-License-Identifier: Apache-2.0
"""Keeps the deployment file's list of trusted models and images: what wallets believe by itself."""

from collections.abc import Sequence
from pathlib import Path

import click

from administration.chain.contracts import Contracts
from teetee.chain.deployment import Deployment
from teetee.chain.trusted_models import TrustedModel
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest


def trust_model(
    contracts: Contracts, model_id: int, manifest: ModelManifest, measurements: Sequence[bytes]
) -> None:
    """Add a model that was published from this manifest."""
    layers = LayerRange(0, manifest.layer_count)
    model = TrustedModel(
        model_id=model_id,
        name=manifest.name,
        digest=manifest.slice_digest(layers, True),
        measurements=tuple(measurements),
    )
    _save(contracts.path, Deployment.load(contracts.path).with_model(model))


def trust_image(contracts: Contracts, model_id: int, measurement: bytes) -> None:
    """Add an image that may run the model now."""
    deployment = Deployment.load(contracts.path)
    model = deployment.trusted_model(model_id)
    if model is None:
        _say_unknown(contracts.path, model_id)
        return
    _save(contracts.path, deployment.with_model(model.with_measurement(measurement)))


def distrust_image(contracts: Contracts, model_id: int, measurement: bytes) -> None:
    """Move an image to the withdrawn ones."""
    deployment = Deployment.load(contracts.path)
    model = deployment.trusted_model(model_id)
    if model is not None and measurement in model.measurements:
        _save(contracts.path, deployment.with_model(model.without_measurement(measurement)))


def _save(path: Path, deployment: Deployment) -> None:
    deployment.save(path)
    click.echo(
        f"Written to {path}: wallets trust only the models and images that it names. For a public "
        "network, commit it and release it.",
        err=True,
    )


def _say_unknown(path: Path, model_id: int) -> None:
    click.echo(
        f"{path} does not name model {model_id}, so wallets do not trust the image. Add the model "
        "as deployments/README.md describes.",
        err=True,
    )

# SPDX-License-Identifier: Apache-2.0
"""The deployed contracts of a network, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from ape.contracts import ContractInstance
from ape.utils import ManagerAccessMixin
from ethpm_types import ContractType

from administration.chain.networks import Network
from teetee.chain.abi import load_abi
from teetee.chain.deployment import Deployment
from teetee.chain.errors import NoContract, WrongChain

NAMES = {
    "token": "UsageToken",
    "certificates": "PckCertificates",
    "verifier": "DcapVerifier",
    "access_manager": "AccessManager",
    "registry": "ShardRegistry",
    "escrow": "InferenceEscrow",
}


def deployment_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--deployment`, the same as the `teetee` command has."""
    return click.option(
        "--deployment",
        "deployment_path",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="TEETEE_DEPLOYMENT",
        help="The deployment file.  [default: deployments/<network>.json; for a local chain "
        "build/deployments/base-local.json]",
    )(command)


@dataclass(frozen=True)
class Contracts:
    """Handles with the committed ABIs: nothing has to be compiled to use them."""

    deployment: Deployment
    token: ContractInstance
    certificates: ContractInstance
    verifier: ContractInstance
    access_manager: ContractInstance
    registry: ContractInstance
    escrow: ContractInstance


def contract_at(name: str, address: str) -> ContractInstance:
    """A handle by the name of its ABI. Raises `NoContract` when there is no code."""
    if not ManagerAccessMixin.provider.get_code(address):
        raise NoContract(name, address)
    kind = ContractType.model_validate({"contractName": name, "abi": load_abi(name)})
    # not ape.Contract: for an address that ape has met, that keeps to the ABI which ape compiled
    return ContractInstance(address, kind)


def open_contracts(network: Network, path: Path | None) -> Contracts:
    """What the network's deployment file names.

    Raises `NotDeployed`, `DeploymentInvalid`, `WrongChain`, `NoContract`.
    """
    deployment = Deployment.load(path or network.deployment_file)
    if deployment.chain_id != network.chain_id:
        raise WrongChain(deployment.chain_id, network.chain_id)
    handles = {
        field: contract_at(name, getattr(deployment, field)) for field, name in NAMES.items()
    }
    return Contracts(deployment, **handles)

# SPDX-License-Identifier: Apache-2.0
"""The deployed contracts of the connected network, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from ape.contracts import ContractInstance
from ape.utils import ManagerAccessMixin
from ethpm_types import ContractType

from administration.chain.networks import Network, is_temporary_chain
from administration.errors import TemporaryChainEmpty
from teetee.chain.abi import load_abi
from teetee.chain.deployment import Deployment
from teetee.chain.errors import NoContract, NotDeployed, WrongChain

NAMES = {
    "token": "UsageToken",
    "certificates": "PckCertificates",
    "verifier": "DcapVerifier",
    "access_manager": "GuardedAccessManager",
    "registry": "ShardRegistry",
    "escrow": "InferenceEscrow",
}


def deployment_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--deployment`, as the `teetee` command has it."""
    return click.option(
        "--deployment",
        "deployment_path",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="TEETEE_DEPLOYMENT",
        show_envvar=True,
        help="The deployment file.  [default: deployments/NETWORK.json; on a local chain "
        "build/deployments/base-local.json]",
    )(command)


@dataclass(frozen=True)
class Contracts:
    """Handles built from the committed ABIs: nothing has to be compiled to use them."""

    deployment: Deployment
    path: Path
    """The deployment file."""
    token: ContractInstance
    certificates: ContractInstance
    verifier: ContractInstance
    access_manager: ContractInstance
    registry: ContractInstance
    escrow: ContractInstance


def contract_at(name: str, address: str) -> ContractInstance:
    """A handle with the ABI of that name. Raises `NoContract` where there is no code."""
    provider = ManagerAccessMixin.provider
    if not provider.get_code(address):
        raise NoContract(name, address)
    contract_type = ContractType.model_validate({"contractName": name, "abi": load_abi(name)})
    # Not ape.Contract: for an address that ape knows, it returns the ABI that ape compiled.
    return ContractInstance(address, contract_type)


def open_contracts(network: Network, path: Path | None) -> Contracts:
    """The contracts that the network's deployment file names.

    Raises `NotDeployed`, `DeploymentInvalid`, `WrongChain`, `NoContract`, `TemporaryChainEmpty`.
    """
    try:
        return _open(network, path or network.deployment_file)
    except NotDeployed:
        missing = f"There are no contracts on {network.name}"
        if not is_temporary_chain(ManagerAccessMixin.provider):
            raise
    except NoContract as error:
        missing = f"There is no {error.name} at {error.address}"
        if not is_temporary_chain(ManagerAccessMixin.provider):
            raise
    raise TemporaryChainEmpty(missing)


def _open(network: Network, path: Path) -> Contracts:
    deployment = Deployment.load(path)
    if deployment.chain_id != network.chain_id:
        raise WrongChain(deployment.chain_id, network.chain_id)
    handles = {
        field: contract_at(name, getattr(deployment, field)) for field, name in NAMES.items()
    }
    return Contracts(deployment, path, **handles)

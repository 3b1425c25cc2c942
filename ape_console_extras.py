# SPDX-License-Identifier: Apache-2.0
"""What `ape console` starts with: the connected network's contracts by name, and a few helpers.

    ape console --network base:sepolia:node
    APE_FOUNDRY_HOST=http://127.0.0.1:8545 ape console --network base:local:foundry

Another deployment file than the network's: TEETEE_DEPLOYMENT=FILE.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ape.contracts import ContractInstance
from ape.managers.networks import NetworkManager
from ape.managers.project import ProjectManager

from teetee.chain.deployment import Deployment, deployment_path
from teetee.chain.errors import NoContract, WrongChain
from teetee.chain.types.policies import AttestationPolicy
from teetee.client.amounts import format_amount, parse_amount
from teetee.errors import TeeTeeError

# Name in the console → contract, field of the deployment file.
CONTRACTS = {
    "token": ("UsageToken", "token"),
    "registry": ("ShardRegistry", "registry"),
    "escrow": ("InferenceEscrow", "escrow"),
    "verifier": ("DcapVerifier", "verifier"),
    "certificates": ("PckCertificates", "certificates"),
}
MANAGER_ABI = Path(__file__).parent / "teetee" / "abi" / "AccessManager.json"


def ape_init_extras(project: ProjectManager, networks: NetworkManager) -> dict[str, Any]:
    """Called by ape once, when the console opens. Says what it has put there."""
    network = f"{networks.provider.network.ecosystem.name}-{networks.provider.network.name}"
    try:
        deployment = _deployment(network, int(networks.provider.chain_id))
        names = _contracts(deployment, project, networks)
    except TeeTeeError as error:
        print(f"TeeTee: no contracts by name. {error}")
        return {"tee": parse_amount, "amount": format_amount}
    names |= _helpers(names) | {"deployment": deployment}
    print(f"TeeTee on {network}, chain {deployment.chain_id}:")
    print("  contracts: token, registry, escrow, verifier, certificates, manager")
    print("  helpers:   models(), policies(), shards(), open_requests(),")
    print('             tee("1.5") → wei, amount(wei) → text')
    return names


def _deployment(network: str, chain_id: int) -> Deployment:
    named = os.environ.get("TEETEE_DEPLOYMENT")
    deployment = Deployment.load(Path(named) if named else deployment_path(network))
    if deployment.chain_id != chain_id:
        raise WrongChain(deployment.chain_id, chain_id)
    return deployment


def _contracts(
    deployment: Deployment, project: ProjectManager, networks: NetworkManager
) -> dict[str, ContractInstance]:
    found = {}
    for name, (contract, field) in CONTRACTS.items():
        address = getattr(deployment, field)
        if not networks.provider.get_code(address):
            raise NoContract(contract, address)
        found[name] = project.contracts[contract].at(address)
    # OpenZeppelin's: no source of ours, but a committed ABI.
    found["manager"] = networks.chain_manager.contracts.instance_at(
        deployment.access_manager, abi=MANAGER_ABI, fetch_from_explorer=False
    )
    return found


def _helpers(names: dict[str, ContractInstance]) -> dict[str, Callable[..., Any]]:
    registry, escrow = names["registry"], names["escrow"]

    def models() -> dict[int, Any]:
        """Every published model by its id."""
        return {each: registry.model(each) for each in range(1, registry.modelCount() + 1)}

    def policies() -> dict[int, AttestationPolicy]:
        """What every published model asks of platforms and paths, by its id."""
        return {each: AttestationPolicy.of(registry.policyOf(each)) for each in models()}

    def shards() -> dict[int, Any]:
        """Every shard that was ever enrolled, by its id."""
        return {each: registry.shard(each) for each in range(1, registry.shardCount() + 1)}

    def open_requests() -> dict[int, Any]:
        """Every request that waits for its end, by its id."""
        found: dict[int, Any] = {}
        cursor = 0
        while True:
            page = escrow.openRequests(cursor, 500)
            found |= {each: escrow.requestOf(each) for each in page.requestIds}
            cursor = page.next
            if cursor == 0:
                return found

    return {
        "models": models,
        "policies": policies,
        "shards": shards,
        "open_requests": open_requests,
        "tee": parse_amount,
        "amount": format_amount,
    }

# SPDX-License-Identifier: Apache-2.0
"""The networks, by the names of their deployment files.

ape knows where each network's node is (ape-config.yaml) and refuses a node of another chain.
"""

from dataclasses import dataclass
from pathlib import Path

from ape.api import ProviderAPI

from teetee.chain.deployment import ROOT, deployment_path
from teetee.chain.errors import WrongChain

# Networks with real users.
LIVE = {"base-sepolia": 84532, "base-mainnet": 8453}
FORK = "-fork"


@dataclass(frozen=True)
class Network:
    """`name` is base-local, base-sepolia, base-mainnet, or one of these with -fork."""

    name: str
    chain_id: int

    @property
    def is_live(self) -> bool:
        """Whether the network has users other than the deployer."""
        return self.name in LIVE

    @property
    def terms_of(self) -> str:
        """The network whose terms apply here: a fork has the terms of what it forks."""
        return self.name.removesuffix(FORK)

    @property
    def deployment_file(self) -> Path:
        """Committed for live networks; under build/ for local chains and forks."""
        if self.name.endswith(FORK):
            return ROOT / "build" / "deployments" / f"{self.name}.json"
        return deployment_path(self.name)


def connected_network(provider: ProviderAPI) -> Network:
    """The network that ape is connected to. Raises `WrongChain`."""
    name = f"{provider.network.ecosystem.name}-{provider.network.name}"
    chain_id = int(provider.chain_id)
    if LIVE.get(name, chain_id) != chain_id:
        raise WrongChain(LIVE[name], chain_id)
    return Network(name, chain_id)


def is_temporary_chain(provider: ProviderAPI) -> bool:
    """Whether ape started the chain itself: it then ends with the command."""
    return getattr(provider, "process", None) is not None

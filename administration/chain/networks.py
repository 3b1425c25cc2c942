# SPDX-License-Identifier: Apache-2.0
"""The networks, by the names of their deployment files.

Where a network's node is, ape knows (ape-config.yaml); so does it refuse a node of another chain.
"""

from dataclasses import dataclass
from pathlib import Path

from ape.api import ProviderAPI

from teetee.chain.deployment import ROOT, deployment_path
from teetee.chain.errors import WrongChain

# Where others rely on the contracts.
LIVE = {"base-sepolia": 84532, "base-mainnet": 8453}
FORK = "-fork"


@dataclass(frozen=True)
class Network:
    """`name` is base-local, base-sepolia, base-mainnet, or one of these with -fork."""

    name: str
    chain_id: int

    @property
    def is_live(self) -> bool:
        """Whether anybody else relies on what is deployed here."""
        return self.name in LIVE

    @property
    def terms_of(self) -> str:
        """The network whose terms hold here: a fork rehearses the real thing."""
        return self.name.removesuffix(FORK)

    @property
    def deployment_file(self) -> Path:
        """Committed for live networks; for the others built, and thrown away."""
        if self.name.endswith(FORK):
            return ROOT / "build" / "deployments" / f"{self.name}.json"
        return deployment_path(self.name)


def connected_network(provider: ProviderAPI) -> Network:
    """The network which ape is connected to. Raises `WrongChain`."""
    name = f"{provider.network.ecosystem.name}-{provider.network.name}"
    chain_id = int(provider.chain_id)
    if LIVE.get(name, chain_id) != chain_id:
        raise WrongChain(LIVE[name], chain_id)
    return Network(name, chain_id)

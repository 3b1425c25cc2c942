# SPDX-License-Identifier: Apache-2.0
"""From the options to contracts, and to a checker of quotes. The client is imported on use."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teetee.chain.deployment import Deployment
    from teetee.chain.nodes.node_states import OnDisagreement
    from teetee.client.contracts import Contracts
    from teetee.client.verification.quote_check import CollateralSource, QuoteCheck

# Public nodes of different operators, of which two must agree: slow and rate-limited, but there.
# TEETEE_RPC_URL names better ones.
PUBLIC_NODES = {
    "base-local": ("http://127.0.0.1:8545",),
    "base-sepolia": (
        "https://sepolia.base.org",
        "https://base-sepolia-rpc.publicnode.com",
        "https://base-sepolia.drpc.org",
    ),
    "base-mainnet": (
        "https://mainnet.base.org",
        "https://base-rpc.publicnode.com",
        "https://base.drpc.org",
    ),
}


@dataclass(frozen=True)
class ConnectionSettings:
    """How the user named the chain. None or empty: use the default."""

    network: str | None = None
    deployment: Path | None = None
    rpc: tuple[str, ...] = ()
    quorum: int | None = None
    """How many nodes must agree; None: more than half."""

    def or_else(self, fallback: ConnectionSettings) -> ConnectionSettings:
        """These settings, completed by `fallback`. A named network replaces a fallback's file."""
        deployment = self.deployment
        if deployment is None and self.network is None:
            deployment = fallback.deployment
        return ConnectionSettings(
            self.network or fallback.network,
            deployment,
            self.rpc or fallback.rpc,
            self.quorum or fallback.quorum,
        )

    @property
    def path(self) -> Path:
        """The deployment file. Raises `NoNetwork`, `NetworkUnknown`, `LocalNetworkMissing`."""
        from teetee.chain.deployment import LOCAL_NETWORK, deployment_path, known_networks
        from teetee.client.errors import LocalNetworkMissing, NetworkUnknown, NoNetwork

        if self.deployment is not None:
            return self.deployment
        known = known_networks()
        if self.network is not None and self.network not in known:
            raise NetworkUnknown(self.network, known)
        path = deployment_path(self.network or LOCAL_NETWORK)
        if self.network in (None, LOCAL_NETWORK) and not path.exists():
            raise LocalNetworkMissing(LOCAL_NETWORK) if self.network else NoNetwork
        return path

    def load(self) -> Deployment:
        """Raises the same as `path`, `NotDeployed`, `DeploymentInvalid`."""
        from teetee.chain.deployment import Deployment

        return Deployment.load(self.path)

    @property
    def urls(self) -> tuple[str, ...]:
        """The nodes to ask. Raises `MalformedNodeUrl`, and the same as `load`."""
        from teetee.chain.urls import is_web_address, public_url
        from teetee.client.errors import MalformedNodeUrl

        for url in self.rpc:
            if not is_web_address(url):
                raise MalformedNodeUrl(public_url(url))
        return self.rpc or PUBLIC_NODES.get(self.load().network, PUBLIC_NODES["base-local"])

    @property
    def default_pccs(self) -> str | None:
        """The network's own source of collateral; None on a local chain."""
        return _default_pccs(self.load().network)

    def connect(self, on_disagreement: OnDisagreement | None = None) -> Contracts:
        """`on_disagreement` is called when a node contradicts others. Raises the same as `load`,
        `RpcUnavailable`, `NodesDisagree`, `WrongChain`, `InsecureNode` and `QuorumInvalid`.
        """
        deployment, urls = self.load(), self.urls  # a missing file is reported at once
        from teetee.client.contracts import Contracts

        return Contracts.connect(
            deployment, urls, quorum=self.quorum, on_disagreement=on_disagreement
        )


@dataclass(frozen=True)
class QuoteSettings:
    """Where collateral comes from, and which TCB statuses are accepted besides up to date."""

    pccs: str | None = None
    collateral: Path | None = None
    accepted: tuple[str, ...] = ()
    skip: bool = False
    """Trust the chain's own check."""

    def source(self, network: str) -> CollateralSource | None:
        """None: no source was named, and the network has no default."""
        url = self.pccs or _default_pccs(network)
        if self.collateral is None and url is None:
            return None
        from teetee.client.verification.quote_check import FolderCollateral, PccsCollateral

        if self.collateral is not None:
            return FolderCollateral(self.collateral)
        return PccsCollateral(url or "")

    def quote_check(self, contracts: Contracts) -> QuoteCheck | None:
        """Checks quotes before a purchase; None: skipped, or no source of collateral."""
        source = None if self.skip else self.source(contracts.deployment.network)
        return None if source is None else self._check(contracts, source)

    def strict_quote_check(self, contracts: Contracts) -> QuoteCheck:
        """Checks quotes for `verify`: without collateral, every quote fails."""
        from teetee.client.verification.quote_check import NoCollateral

        source = self.source(contracts.deployment.network)
        return self._check(contracts, source or NoCollateral())

    def _check(self, contracts: Contracts, source: CollateralSource) -> QuoteCheck:
        from teetee.client.verification.quote_check import QuoteCheck
        from teetee.quotes.verification import ONLY_UP_TO_DATE

        accepted: Collection[str] = ONLY_UP_TO_DATE | set(self.accepted)
        return QuoteCheck(
            contracts.certificates,
            source,
            root_fingerprint=contracts.deployment.root_ca_fingerprint,
            accepted=accepted,
        )


def _default_pccs(network: str) -> str | None:
    from teetee.chain.deployment import LOCAL_NETWORK

    if network == LOCAL_NETWORK:
        return None
    from teetee.quotes.verification import INTEL_PCS_URL

    url: str = INTEL_PCS_URL  # except on a local chain, quotes come from Intel's hardware
    return url

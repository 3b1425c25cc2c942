# SPDX-License-Identifier: Apache-2.0
"""From the connection's options to contracts, and to somebody who judges quotes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from teetee.chain.deployment import LOCAL_NETWORK, Deployment, deployment_path
from teetee.client.contracts import Contracts
from teetee.client.errors import NoNetwork
from teetee.client.verification.quote_check import (
    CollateralSource,
    FolderCollateral,
    NoCollateral,
    PccsCollateral,
    QuoteCheck,
)
from teetee.quotes.verification import INTEL_PCS_URL, ONLY_UP_TO_DATE

# Public nodes: slow and limited, but there. TEETEE_RPC_URL names a better one.
PUBLIC_NODES = {
    LOCAL_NETWORK: "http://127.0.0.1:8545",
    "base-sepolia": "https://sepolia.base.org",
    "base-mainnet": "https://mainnet.base.org",
}


@dataclass(frozen=True)
class ConnectionSettings:
    """How the chain was named. What is None or empty was left to the defaults."""

    network: str | None = None
    deployment: Path | None = None
    rpc: tuple[str, ...] = ()

    def or_else(self, fallback: ConnectionSettings) -> ConnectionSettings:
        """Options of the command win over those before it."""
        return ConnectionSettings(
            self.network or fallback.network,
            self.deployment or fallback.deployment,
            self.rpc or fallback.rpc,
        )

    @property
    def path(self) -> Path:
        """The deployment file. Raises `NoNetwork`."""
        if self.deployment is not None:
            return self.deployment
        if self.network is not None:
            return deployment_path(self.network)
        local = deployment_path(LOCAL_NETWORK)
        if not local.exists():
            raise NoNetwork
        return local

    def load(self) -> Deployment:
        """Raises `NoNetwork`, `NotDeployed`, `DeploymentInvalid`."""
        return Deployment.load(self.path)

    @property
    def urls(self) -> tuple[str, ...]:
        """The nodes to ask, in order. Raises as `load` does."""
        return self.rpc or (PUBLIC_NODES.get(self.load().network, PUBLIC_NODES[LOCAL_NETWORK]),)

    @property
    def own_pccs(self) -> str | None:
        """Where the network's collateral is, if nobody names a place; None on this machine."""
        # Everywhere but on this machine, quotes come from Intel's hardware.
        return None if self.load().network == LOCAL_NETWORK else INTEL_PCS_URL

    def open(self) -> Contracts:
        """Connect. Raises the same, `RpcUnavailable` and `WrongChain`."""
        return Contracts.connect(self.load(), self.urls)


@dataclass(frozen=True)
class QuoteSettings:
    """Where collateral comes from, and which TCB statuses will do besides being up to date."""

    pccs: str | None
    collateral: Path | None = None
    accepted: tuple[str, ...] = ()

    def source(self, network: str) -> CollateralSource | None:
        """None: nobody named one, and the network has none of its own."""
        if self.collateral is not None:
            return FolderCollateral(self.collateral)
        if self.pccs is not None:
            return PccsCollateral(self.pccs)
        # Everywhere but on this machine, quotes come from Intel's hardware.
        return None if network == LOCAL_NETWORK else PccsCollateral(INTEL_PCS_URL)

    def judge(self, contracts: Contracts) -> QuoteCheck | None:
        """Judges quotes for a purchase; None: there is nothing to judge them by."""
        source = self.source(contracts.deployment.network)
        return None if source is None else self._check(contracts, source)

    def strict_judge(self, contracts: Contracts) -> QuoteCheck:
        """Judges quotes for an audit: without collateral, every quote fails."""
        source = self.source(contracts.deployment.network)
        return self._check(contracts, source or NoCollateral())

    def _check(self, contracts: Contracts, source: CollateralSource) -> QuoteCheck:
        accepted: Collection[str] = ONLY_UP_TO_DATE | set(self.accepted)
        return QuoteCheck(
            contracts.certificates,
            source,
            root_fingerprint=contracts.deployment.root_ca_fingerprint,
            accepted=accepted,
        )

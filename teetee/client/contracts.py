# SPDX-License-Identifier: Apache-2.0
"""One network's contracts, connected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from teetee.chain.connection import Connection
from teetee.chain.contracts.certificates import Certificates
from teetee.chain.contracts.collateral import CollateralStore
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.contracts.escrow_history import EscrowHistory
from teetee.chain.contracts.registry import Registry
from teetee.chain.contracts.token import Token
from teetee.chain.deployment import Deployment
from teetee.chain.nodes.node_states import OnDisagreement


@dataclass(frozen=True)
class Contracts:
    """The contracts of a deployment, over one connection."""

    deployment: Deployment
    connection: Connection
    registry: Registry
    escrow: Escrow
    history: EscrowHistory
    token: Token
    certificates: Certificates
    collateral: CollateralStore

    @classmethod
    def connect(
        cls,
        deployment: Deployment,
        urls: Sequence[str],
        *,
        quorum: int | None = None,
        on_disagreement: OnDisagreement | None = None,
    ) -> Contracts:
        """Connect to the deployment's chain over nodes of which `quorum` must agree; None: more
        than half. Raises `RpcUnavailable`, `NodesDisagree`, `WrongChain`, `InsecureNode`,
        `QuorumInvalid`.
        """
        connection = Connection(
            urls, chain_id=deployment.chain_id, quorum=quorum, on_disagreement=on_disagreement
        )
        connection.require_nodes()
        escrow = Escrow(connection, deployment)
        return cls(
            deployment=deployment,
            connection=connection,
            registry=Registry(connection, deployment),
            escrow=escrow,
            history=EscrowHistory(connection, deployment, escrow),
            token=Token(connection, deployment),
            certificates=Certificates(connection, deployment),
            collateral=CollateralStore(connection, deployment),
        )

    def ether_of(self, address: str) -> int:
        """The address's ETH, in wei."""
        return self.connection.ether_of(address)

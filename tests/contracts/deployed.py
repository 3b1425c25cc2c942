# SPDX-License-Identifier: Apache-2.0
"""Types of the fixtures: accounts by role, and the deployed contracts."""

from dataclasses import dataclass

from ape.api import AccountAPI
from ape.contracts import ContractInstance

from teetee.chain.deployment import Deployment

ROLES = (
    "deployer",
    "admin",
    "publisher",
    "notice_giver",
    "guardian",
    "treasury",
    "requester",
    "entry_host",
    "last_host",
    "stranger",
)


@dataclass(frozen=True)
class Roles:
    """One account per role; `named` gives its name for the scripts' --account."""

    deployer: AccountAPI
    admin: AccountAPI
    publisher: AccountAPI
    notice_giver: AccountAPI
    guardian: AccountAPI
    treasury: AccountAPI
    requester: AccountAPI
    entry_host: AccountAPI
    last_host: AccountAPI
    stranger: AccountAPI

    @staticmethod
    def named(role: str) -> str:
        return f"TEST::{ROLES.index(role)}"


@dataclass(frozen=True)
class DeployedContracts:
    """The deployed contracts, and their deployment file."""

    deployment: Deployment
    token: ContractInstance
    registry: ContractInstance
    escrow: ContractInstance
    verifier: ContractInstance
    certificates: ContractInstance
    manager: ContractInstance

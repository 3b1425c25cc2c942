# SPDX-License-Identifier: Apache-2.0
"""Deploys the contracts in the order of their dependencies."""

from collections.abc import Callable
from dataclasses import dataclass

from ape.api import AccountAPI
from ape.contracts import ContractInstance
from ape.managers.project import ProjectManager

from administration.chain.networks import Network
from administration.chain.transactions import deploy, send
from administration.deployment.holders import Holders
from administration.deployment.root_ca import RootCa
from administration.deployment.terms import Terms
from administration.deployment.verifiers import VerifierChoice
from teetee.chain.deployment import Deployment

# Measured: 19.4 million, plus a fifth.
GAS = 23_500_000


@dataclass(frozen=True)
class Deployed:
    """Handles with ape's own contract types, from which sources can be published."""

    token: ContractInstance
    certificates: ContractInstance
    verifier: ContractInstance
    access_setup: ContractInstance
    access_manager: ContractInstance
    registry: ContractInstance
    escrow: ContractInstance
    first_block: int
    """The contracts have no older event."""

    @property
    def publishable(self) -> dict[str, ContractInstance]:
        """By name."""
        return {
            "UsageToken": self.token,
            "PckCertificates": self.certificates,
            self.verifier.contract_type.name: self.verifier,
            "AccessSetup": self.access_setup,
            "GuardedAccessManager": self.access_manager,
            "ShardRegistry": self.registry,
            "InferenceEscrow": self.escrow,
        }

    def as_deployment(self, network: Network, root_ca: RootCa) -> Deployment:
        """The content of the deployment file."""
        return Deployment(
            network=network.name,
            chain_id=network.chain_id,
            token=self.token.address,
            registry=self.registry.address,
            escrow=self.escrow.address,
            verifier=self.verifier.address,
            certificates=self.certificates.address,
            access_manager=self.access_manager.address,
            deployed_at_block=self.first_block,
            root_ca_fingerprint=root_ca.fingerprint,
        )


@dataclass(frozen=True)
class Deployer:
    """One deployment. Each step raises `ContractRejected` when a constructor refuses its terms."""

    project: ProjectManager
    account: AccountAPI
    terms: Terms
    holders: Holders
    root_ca: RootCa
    verifier: VerifierChoice
    say: Callable[[str], None]

    def run(self) -> Deployed:
        """Contracts, then roles. Afterwards the deployer holds only the roles it was named for."""
        first_block = int(self.account.provider.get_block("latest").number) + 1
        token = self._token()
        certificates = self._deploy("PckCertificates", self.root_ca.der)
        choice = self.verifier
        verifier = self._deploy(choice.contract, *choice.arguments(certificates))
        setup = self._deploy("AccessSetup")
        manager = self.project.contracts["GuardedAccessManager"].at(setup.MANAGER())
        registry = self._registry(manager, token, verifier)
        escrow = self._escrow(manager, token, registry)
        self.say("Binding the escrow, granting the roles, giving up the setup's own")
        self._configure(setup, registry, escrow)
        return Deployed(
            token, certificates, verifier, setup, manager, registry, escrow, first_block
        )

    def _deploy(self, name: str, *arguments: object) -> ContractInstance:
        self.say(f"Deploying {name}")
        return deploy(self.account, self.project.contracts[name], *arguments)

    def _token(self) -> ContractInstance:
        terms = self.terms
        return self._deploy(
            "UsageToken",
            self.holders.treasury,
            terms.cap,
            terms.faucet_reserve,
            terms.faucet_amount,
            terms.faucet_interval,
        )

    def _registry(
        self, manager: ContractInstance, token: ContractInstance, verifier: ContractInstance
    ) -> ContractInstance:
        terms = self.terms
        return self._deploy(
            "ShardRegistry",
            manager,
            token,
            verifier,
            terms.bond,
            terms.attestation_period,
            terms.unbonding_period,
        )

    def _escrow(
        self, manager: ContractInstance, token: ContractInstance, registry: ContractInstance
    ) -> ContractInstance:
        terms = self.terms
        parameters = {
            "token": token,
            "registry": registry,
            "treasury": self.holders.treasury,
            "feeBps": terms.fee_bps,
            "penalty": terms.penalty,
            "minWindow": terms.min_window,
            "maxWindow": terms.max_window,
            "maxEnvelopeBytes": terms.max_envelope_bytes,
            "dailyTokens": terms.daily_tokens,
            "servedBps": terms.served_bps,
            "maxDailyTokens": terms.max_daily_tokens,
        }
        return self._deploy("InferenceEscrow", manager, parameters)

    def _configure(
        self, setup: ContractInstance, registry: ContractInstance, escrow: ContractInstance
    ) -> None:
        holders = {
            "admin": self.holders.admin,
            "publisher": self.holders.publisher,
            "noticeGiver": self.holders.notice_giver,
            "guardian": self.holders.guardian,
        }
        delays = {"admin": self.terms.admin_delay, "notice": self.terms.notice_delay}
        send(self.account, setup, "configure", registry, escrow, holders, delays)

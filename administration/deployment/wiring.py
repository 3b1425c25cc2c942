# SPDX-License-Identifier: Apache-2.0
"""Reads a new deployment back from the chain and compares it with the intended one.

The transactions have already succeeded: this catches an argument passed in the wrong place, a node
that lies, and a faulty AccessSetup.
"""

from collections.abc import Iterator

from ape.contracts import ContractInstance

from administration.chain.verifier import automata_behind
from administration.deployment.deployer import Deployed
from administration.deployment.holders import Holders
from administration.deployment.root_ca import RootCa
from administration.deployment.terms import Terms
from administration.deployment.verifiers import VerifierChoice
from administration.errors import WiringWrong
from administration.roles.role_ids import ADMIN, GUARDIAN, NOTICE_GIVER, PUBLISHER, ROLE_NAMES
from teetee.quotes.certificates.pck_chain import certificate_id

Fact = tuple[str, object, object]
"""A description, the intended value, the value read."""


def check_wiring(
    deployed: Deployed,
    terms: Terms,
    holders: Holders,
    root_ca: RootCa,
    verifier: VerifierChoice,
    deployer: str,
) -> int:
    """The number of facts compared. Raises `WiringWrong` for the first difference."""
    count = 0
    for facts in (
        _token_facts(deployed, terms, holders),
        _attestation_facts(deployed, root_ca, verifier),
        _registry_facts(deployed, terms),
        _escrow_facts(deployed, terms, holders),
        _holder_facts(deployed, terms, holders),
        _leftover_facts(deployed, holders, deployer),
        _function_facts(deployed),
    ):
        for description, intended, found in facts:
            count += 1
            if intended != found:
                raise WiringWrong(description, intended, found)
    return count


def _token_facts(deployed: Deployed, terms: Terms, holders: Holders) -> Iterator[Fact]:
    token = deployed.token
    yield "the token's supply", terms.cap, token.totalSupply()
    in_treasury = terms.cap - terms.faucet_reserve
    yield "the treasury's tokens", in_treasury, token.balanceOf(holders.treasury)
    yield "the faucet's tokens", terms.faucet_reserve, token.balanceOf(token)
    yield "a faucet's claim", terms.faucet_amount, token.FAUCET_AMOUNT()
    yield "the faucet's interval", terms.faucet_interval, token.FAUCET_INTERVAL()


def _attestation_facts(
    deployed: Deployed, root_ca: RootCa, verifier: VerifierChoice
) -> Iterator[Fact]:
    root = deployed.certificates.root()
    yield "the pinned root", certificate_id(root_ca.der), bytes(root.rootId)
    yield "the verifier's store", deployed.certificates.address, deployed.verifier.certificates()
    # read in the same way as by a later `admin status`
    automata = automata_behind(deployed.verifier.address)
    yield "the contract behind the verifier", verifier.automata or "none", automata or "none"


def _registry_facts(deployed: Deployed, terms: Terms) -> Iterator[Fact]:
    registry = deployed.registry
    yield "the registry's authority", deployed.access_manager.address, registry.authority()
    yield "the registry's token", deployed.token.address, registry.TOKEN()
    yield "the registry's verifier", deployed.verifier.address, registry.VERIFIER()
    yield "the registry's escrow", deployed.escrow.address, registry.escrow()
    yield "the bond", terms.bond, registry.BOND()
    yield "the attestation period", terms.attestation_period, registry.ATTESTATION_PERIOD()
    yield "the unbonding period", terms.unbonding_period, registry.UNBONDING_PERIOD()


def _escrow_facts(deployed: Deployed, terms: Terms, holders: Holders) -> Iterator[Fact]:
    escrow = deployed.escrow
    yield "the escrow's authority", deployed.access_manager.address, escrow.authority()
    yield "the escrow's token", deployed.token.address, escrow.TOKEN()
    yield "the escrow's registry", deployed.registry.address, escrow.REGISTRY()
    yield "the treasury", holders.treasury, escrow.TREASURY()
    yield "the fee", terms.fee_bps, escrow.FEE_BPS()
    yield "the penalty", terms.penalty, escrow.PENALTY()
    yield "the shortest window", terms.min_window, escrow.MIN_WINDOW()
    yield "the longest window", terms.max_window, escrow.MAX_WINDOW()
    yield "the largest envelope", terms.max_envelope_bytes, escrow.MAX_ENVELOPE_BYTES()
    yield "the daily allowance", terms.daily_tokens, escrow.DAILY_TOKENS()
    yield "the allowance for service", terms.served_bps, escrow.SERVED_BPS()
    yield "the largest allowance", terms.max_daily_tokens, escrow.MAX_DAILY_TOKENS()
    yield "whether requests are paused", False, escrow.areRequestsPaused()


def _holder_facts(deployed: Deployed, terms: Terms, holders: Holders) -> Iterator[Fact]:
    manager = deployed.access_manager
    delays = {ADMIN: terms.admin_delay, NOTICE_GIVER: terms.notice_delay}
    for role, holder in holders.of_roles.items():
        membership = tuple(manager.hasRole(role, holder))
        yield f"whether {holder} is {ROLE_NAMES[role]}", (True, delays.get(role, 0)), membership
        yield f"the role that grants {ROLE_NAMES[role]}", ADMIN, manager.getRoleAdmin(role)
    yield "the role that cancels announcements", GUARDIAN, manager.CANCELLER()


def _leftover_facts(deployed: Deployed, holders: Holders, deployer: str) -> Iterator[Fact]:
    """The deployer and the setup hold no role that they were not named for."""
    manager, setup = deployed.access_manager, deployed.access_setup.address
    for role, holder in holders.of_roles.items():
        for other in {deployer, setup} - {holder}:
            is_member = manager.hasRole(role, other)[0]
            yield f"whether {other} is {ROLE_NAMES[role]}", False, is_member


def _function_facts(deployed: Deployed) -> Iterator[Fact]:
    setup, manager = deployed.access_setup, deployed.access_manager
    for role in (PUBLISHER, NOTICE_GIVER, GUARDIAN):
        for target, selectors in (
            (deployed.registry, setup.registrySelectors(role)),
            (deployed.escrow, setup.escrowSelectors(role)),
        ):
            for selector in selectors:
                required = manager.getTargetFunctionRole(target, selector)
                yield _function_name(target, bytes(selector)), role, required


def _function_name(target: ContractInstance, selector: bytes) -> str:
    method = target.contract_type.mutable_methods[selector]
    return f"the role of {target.contract_type.name}.{method.name}"

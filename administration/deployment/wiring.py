# SPDX-License-Identifier: Apache-2.0
"""Reads a fresh deployment back, fact by fact, and compares it with what was meant.

The transactions have succeeded already: this guards against a script that passes an argument to the
wrong place, a node that lies, and an AccessSetup that does something else than it says.
"""

from collections.abc import Iterator

from ape.contracts import ContractInstance

from administration.deployment.deployer import Deployed
from administration.deployment.root_ca import RootCa
from administration.deployment.terms import Terms
from administration.deployment.verifiers import Verifier, automata_behind
from administration.errors import WiringWrong
from administration.roles.holders import (
    ADMIN,
    GUARDIAN,
    NOTICE_GIVER,
    PUBLISHER,
    ROLE_NAMES,
    Holders,
)
from teetee.quotes.certificates.pck_chain import certificate_id

Fact = tuple[str, object, object]
"""What, as meant, as read."""


def check_wiring(
    deployed: Deployed,
    terms: Terms,
    holders: Holders,
    root_ca: RootCa,
    verifier: Verifier,
    deployer: str,
) -> int:
    """How many facts were compared. Raises `WiringWrong` with the first difference."""
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
        for what, meant, read in facts:
            count += 1
            if meant != read:
                raise WiringWrong(what, meant, read)
    return count


def _token_facts(deployed: Deployed, terms: Terms, holders: Holders) -> Iterator[Fact]:
    token = deployed.token
    yield "the token's supply", terms.cap, token.totalSupply()
    in_treasury = terms.cap - terms.faucet_reserve
    yield "the treasury's tokens", in_treasury, token.balanceOf(holders.treasury)
    yield "the faucet's tokens", terms.faucet_reserve, token.balanceOf(token)
    yield "a faucet's claim", terms.faucet_amount, token.FAUCET_AMOUNT()
    yield "the faucet's interval", terms.faucet_interval, token.FAUCET_INTERVAL()


def _attestation_facts(deployed: Deployed, root_ca: RootCa, verifier: Verifier) -> Iterator[Fact]:
    root = deployed.certificates.root()
    yield "the pinned root", certificate_id(root_ca.der), bytes(root.rootId)
    yield "the verifier's store", deployed.certificates.address, deployed.verifier.certificates()
    # as others tell verifiers apart
    behind = automata_behind(deployed.verifier.address)
    yield "whom the verifier asks", verifier.automata or "nobody", behind or "nobody"


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
    yield "the least window", terms.min_window, escrow.MIN_WINDOW()
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
        held = tuple(manager.hasRole(role, holder))
        yield f"whether {holder} is {ROLE_NAMES[role]}", (True, delays.get(role, 0)), held
        yield f"who grants {ROLE_NAMES[role]}", ADMIN, manager.getRoleAdmin(role)
    canceller = manager.getRoleGuardian(NOTICE_GIVER)
    yield "who cancels a NOTICE_GIVER's announcement", GUARDIAN, canceller


def _leftover_facts(deployed: Deployed, holders: Holders, deployer: str) -> Iterator[Fact]:
    """Nobody else holds anything."""
    manager, setup = deployed.access_manager, deployed.access_setup.address
    for role, holder in holders.of_roles.items():
        for other in {deployer, setup} - {holder}:
            held = manager.hasRole(role, other)[0]
            yield f"whether {other} is {ROLE_NAMES[role]}", False, held


def _function_facts(deployed: Deployed) -> Iterator[Fact]:
    setup, manager = deployed.access_setup, deployed.access_manager
    for role in (PUBLISHER, NOTICE_GIVER, GUARDIAN):
        for target, selectors in (
            (deployed.registry, setup.registrySelectors(role)),
            (deployed.escrow, setup.escrowSelectors(role)),
        ):
            for selector in selectors:
                held_by = manager.getTargetFunctionRole(target, selector)
                yield _function_name(target, bytes(selector)), role, held_by


def _function_name(target: ContractInstance, selector: bytes) -> str:
    method = target.contract_type.mutable_methods[selector]
    return f"the role of {target.contract_type.name}.{method.name}"

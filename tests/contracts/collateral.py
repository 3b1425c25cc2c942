# SPDX-License-Identifier: Apache-2.0
"""Uploads Intel's collateral for the simulated machines, and builds the claims of their quotes."""

from datetime import datetime
from typing import Any

from ape.api import AccountAPI

from tee_simulator import SimulatedPki
from tee_simulator.collateral.conditions import Conditions
from tee_simulator.collateral.issue import issue
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.claims import QuoteClaims, pck_record
from teetee.quotes.quote import Quote
from tests.contracts.deployed import DeployedContracts

# The first authority added to the chain.
AUTHORITY = 1


def bring_collateral(
    deployed: DeployedContracts,
    pki: SimulatedPki,
    sender: AccountAPI,
    now: datetime,
    later_than: datetime | None = None,
    **conditions: Any,
) -> datetime:
    """Upload all of it; the time of its issue."""
    authority_id = certificate_id(pki.platform_ca.der)
    signer_id = certificate_id(pki.tcb_signing.der)
    if later_than is None:
        deployed.certificates.addAuthority(pki.platform_ca.der, sender=sender)
        deployed.certificates.addCollateralSigner(pki.tcb_signing.der, sender=sender)
    issued = issue(pki, now, Conditions(**conditions), later_than=later_than)
    deployed.verifier.updateRootCrl(issued.root_ca_crl, sender=sender)
    deployed.verifier.updatePckCrl(issued.pck_crl, authority_id, sender=sender)
    for update, text, signature in (
        (deployed.verifier.updateTcbInfo, issued.tcb_info, issued.tcb_info_signature),
        (deployed.verifier.updateQeIdentity, issued.qe_identity, issued.qe_identity_signature),
    ):
        update(text.encode(), signature, signer_id, sender=sender)
    return issued.issued_at


def claims_of(quote: bytes) -> QuoteClaims:
    """The argument of a recheck of the shard with that quote."""
    facts = pck_record(*Quote.parse(quote).pck_chain_der(), index=AUTHORITY)
    return QuoteClaims.from_core(Quote.parse(quote).core, facts)

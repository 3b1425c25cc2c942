# SPDX-License-Identifier: Apache-2.0
"""Intel's collateral for the simulated machines, brought to the chain, and what shards are judged
by.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ape.api import AccountAPI

from tee_simulator import TestPki
from tee_simulator.collateral.conditions import Conditions
from tee_simulator.collateral.issue import issue
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.claims import QuoteClaims, pck_facts
from teetee.quotes.quote import Quote

if TYPE_CHECKING:
    from tests.contracts.conftest import House

# In the order in which the chain met them.
AUTHORITY = 1


def bring_collateral(
    house: "House",
    pki: TestPki,
    sender: AccountAPI,
    now: datetime,
    later_than: datetime | None = None,
    **conditions: Any,
) -> datetime:
    """All of it, by anybody; when it was issued."""
    authority_id = certificate_id(pki.platform_ca.der)
    signer_id = certificate_id(pki.tcb_signing.der)
    if later_than is None:
        house.certificates.addAuthority(pki.platform_ca.der, sender=sender)
        house.certificates.addCollateralSigner(pki.tcb_signing.der, sender=sender)
    issued = issue(pki, now, Conditions(**conditions), later_than=later_than)
    house.verifier.updateRootCrl(issued.root_ca_crl, sender=sender)
    house.verifier.updatePckCrl(issued.pck_crl, authority_id, sender=sender)
    for update, text, signature in (
        (house.verifier.updateTcbInfo, issued.tcb_info, issued.tcb_info_signature),
        (house.verifier.updateQeIdentity, issued.qe_identity, issued.qe_identity_signature),
    ):
        update(text.encode(), signature, signer_id, sender=sender)
    return issued.issued_at


def claims_of(quote: bytes) -> QuoteClaims:
    """What a recheck of a shard with that quote takes."""
    facts = pck_facts(*Quote.parse(quote).pck_chain_der(), index=AUTHORITY)
    return QuoteClaims.of(Quote.parse(quote).core, facts)

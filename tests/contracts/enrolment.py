# SPDX-License-Identifier: Apache-2.0
"""Enrols simulated enclaves by contract calls, as `teetee host enrol` does it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ape.api import AccountAPI

from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.claims import QuoteClaims
from teetee.quotes.quote import Quote
from tests.contracts.collateral import claims_of
from tests.contracts.enclaves import Enclave, Enrolment

if TYPE_CHECKING:
    from tests.contracts.conftest import House


@dataclass(frozen=True)
class EnrolledShard:
    """A shard on chain and the enclave behind it."""

    shard_id: int
    enclave: Enclave
    host: AccountAPI
    identity_digest: bytes
    claims: QuoteClaims
    """What its recheck takes."""


def enrolment_of(house: "House", enclave: Enclave, host: AccountAPI, model_id: int) -> Enrolment:
    """With a quote over the newest block."""
    block = house.registry.provider.get_block("latest")
    return enclave.enrolment(
        chain_id=house.deployment.chain_id,
        registry=house.deployment.registry,
        host=host.address,
        model_id=model_id,
        block_number=int(block.number),
        block_hash=bytes(block.hash),
    )


def enrol(
    house: "House", enclave: Enclave, host: AccountAPI, enrolment: Enrolment
) -> EnrolledShard:
    """Certificates, token allowance for the bond, enrolment. The host needs the bond's tokens."""
    quote = Quote.parse(enrolment.quote)
    leaf, authority, _ = quote.pck_chain_der()
    authority_id, pck_id = certificate_id(authority), certificate_id(leaf)
    if not house.certificates.hasPckCertificate(pck_id):
        house.certificates.addPckCertificate(leaf, authority_id, sender=host)
    house.token.approve(house.registry, house.registry.BOND(), sender=host)
    receipt = house.registry.enrol(
        enrolment.parameters, quote.core, pck_id, enrolment.signature, sender=host
    )
    (enrolled,) = receipt.decode_logs(house.registry.ShardEnrolled)
    shard_id = int(enrolled.shardId)
    return EnrolledShard(
        shard_id,
        enclave,
        host,
        bytes(house.registry.shard(shard_id).identityDigest),
        claims_of(enrolment.quote),
    )

# SPDX-License-Identifier: Apache-2.0
"""Enrols simulated enclaves by contract calls, as `teetee host enrol` does it."""

from dataclasses import dataclass

from ape.api import AccountAPI

from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.claims import QuoteClaims
from teetee.quotes.quote import Quote
from tests.contracts.collateral import claims_of
from tests.contracts.deployed import DeployedContracts
from tests.contracts.enclaves import Enclave, Enrolment


@dataclass(frozen=True)
class EnrolledShard:
    """A shard on chain and the enclave behind it."""

    shard_id: int
    enclave: Enclave
    host: AccountAPI
    identity_digest: bytes
    claims: QuoteClaims
    """What its recheck takes."""


def enrolment_of(
    deployed: DeployedContracts, enclave: Enclave, host: AccountAPI, model_id: int
) -> Enrolment:
    """With a quote over the newest block."""
    block = deployed.registry.provider.get_block("latest")
    return enclave.enrolment(
        chain_id=deployed.deployment.chain_id,
        registry=deployed.deployment.registry,
        host=host.address,
        model_id=model_id,
        block_number=int(block.number),
        block_hash=bytes(block.hash),
    )


def enrol(
    deployed: DeployedContracts, enclave: Enclave, host: AccountAPI, enrolment: Enrolment
) -> EnrolledShard:
    """Certificates, token allowance for the bond, enrolment. The host needs the bond's tokens."""
    quote = Quote.parse(enrolment.quote)
    leaf, authority, _ = quote.pck_chain_der()
    authority_id, pck_id = certificate_id(authority), certificate_id(leaf)
    if not deployed.certificates.hasPckCertificate(pck_id):
        deployed.certificates.addPckCertificate(leaf, authority_id, sender=host)
    deployed.token.approve(deployed.registry, deployed.registry.BOND(), sender=host)
    receipt = deployed.registry.enrol(
        enrolment.parameters, quote.core, pck_id, enrolment.signature, sender=host
    )
    (enrolled,) = receipt.decode_logs(deployed.registry.ShardEnrolled)
    shard_id = int(enrolled.shardId)
    return EnrolledShard(
        shard_id,
        enclave,
        host,
        bytes(deployed.registry.shard(shard_id).identityDigest),
        claims_of(enrolment.quote),
    )

# SPDX-License-Identifier: Apache-2.0
"""The usage token and the certificate store.

given a faucet
    when an account claims
        it should pay, and refuse a second claim by name
given a permit
    it should be what eth_account signs, and be usable once
given a certificate store under a test root
    when a platform's certificates are added
        its whole chain should be found
    when a platform is unknown
        it should be retryable: another node may have its event
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from eth_account.messages import encode_typed_data

from tee_simulator.guest.machine import Machine
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.chain.contracts.certificates import CertificateChain, Certificates
from teetee.chain.errors import LogMissing
from teetee.protocol.typed_data import keccak256
from tests.teetee.chain.local_chain import TEE
from tests.teetee.chain.refusals import refused_with
from tests.teetee.chain.world import Network, World


def test_claim__twice__is_refused_until_the_time_it_names(world: World, network: Network) -> None:
    newcomer = world.account("newcomer")
    sender = world.sender(newcomer)
    sender.send(world.token.claim())
    assert world.token.balance_of(str(newcomer.address)) == world.token.faucet_amount() == 100 * TEE
    with refused_with("FaucetTooSoon") as refused:
        sender.send(world.token.claim())
    assert refused.value.arguments["nextClaimAt"] > world.chain.now()


def test_sign_permit__by_the_owner__is_what_eth_account_signs(
    world: World, network: Network
) -> None:
    owner = world.account("owner")
    permit = world.token.sign_permit(
        owner, spender=world.deployment.escrow, value=5, deadline=2**40
    )
    fields = ["address owner", "address spender", "uint256 value", "uint256 nonce"]
    fields.append("uint256 deadline")
    types = [dict(zip(("type", "name"), field.split(" "), strict=True)) for field in fields]
    message = encode_typed_data(
        {
            "name": "TeeTee",
            "version": "1",
            "chainId": world.deployment.chain_id,
            "verifyingContract": world.deployment.token,
        },
        {"Permit": types},
        {
            "owner": owner.address,
            "spender": world.deployment.escrow,
            "value": 5,
            "nonce": 0,
            "deadline": 2**40,
        },
    )
    signed = owner.sign_message(message)
    assert (permit.v, permit.r, permit.s) == (
        signed.v,
        signed.r.to_bytes(32),
        signed.s.to_bytes(32),
    )


def test_approve__by_the_owner__is_the_allowance(world: World, network: Network) -> None:
    owner = world.account("owner")
    world.sender(owner).send(world.token.approve(world.deployment.escrow, 77))
    assert world.token.allowance(str(owner.address), world.deployment.escrow) == 77


@pytest.fixture
def machine() -> Machine:
    """A simulated platform under a test root."""
    pki = SimulatedPki.from_seed(b"certificate store")
    return Machine.from_seed(b"platform", pki, datetime.now(UTC))


def test_chain__of_a_platform_that_was_added__is_found_again(
    world: World, network: Network, machine: Machine
) -> None:
    store = world.chain.create("PckCertificates", machine.pki.root.der)
    deployment = replace(world.deployment, certificates=str(store.address))
    certificates = Certificates(world.connection, deployment)
    leaf = machine.pck.public_bytes(Encoding.DER)
    pck_id = keccak256(machine.pck.tbs_certificate_bytes)
    authority_id = keccak256(machine.pki.platform_ca.certificate.tbs_certificate_bytes)
    assert not certificates.has_leaf(pck_id)
    assert not certificates.has_authority(authority_id)
    with pytest.raises(LogMissing):
        certificates.chain(pck_id)
    sender = world.sender(world.account("anyone"))
    sender.send(certificates.add_authority(machine.pki.platform_ca.der))
    sender.send(certificates.add_leaf(leaf, authority_id))
    assert certificates.has_leaf(pck_id)
    assert certificates.has_authority(authority_id)
    assert certificates.chain(pck_id) == CertificateChain(
        leaf=leaf, authority=machine.pki.platform_ca.der, root=machine.pki.root.der
    )


def test_add_leaf__of_an_authority_that_is_not_there__is_refused_by_name(
    world: World, network: Network, machine: Machine
) -> None:
    store = world.chain.create("PckCertificates", machine.pki.root.der)
    deployment = replace(world.deployment, certificates=str(store.address))
    call = Certificates(world.connection, deployment).add_leaf(
        machine.pck.public_bytes(Encoding.DER), bytes(32)
    )
    with refused_with("AuthorityUnknown"):
        world.sender(world.account("anyone")).send(call)

# SPDX-License-Identifier: Apache-2.0
"""An enclave as its host, and as others, can look at it before it is enrolled.

given an enclave that runs
    when its host verifies it
        it should be accepted without objections
    when another wallet inspects it
        it should show it, and name both hosts
    when another wallet verifies it
        it should refuse it with the same words
    when its image is not allowed for the model
        it should show the measurement to those who inspect it, and refuse it to its host
"""

from __future__ import annotations

import pytest
from eth_account.signers.local import LocalAccount

from teetee.client.errors import StatementRefused
from teetee.client.hosting.enclave_check import EnclaveCheck, VerifiedEnclave
from teetee.protocol.endpoint import Endpoint
from tests.teetee.client.lab import Lab, LabEnclave

pytestmark = pytest.mark.timeout(60)


def check_of(lab: Lab, host: str | None) -> EnclaveCheck:
    return EnclaveCheck(lab.contracts(), host, quotes=lab.quote_check(), notify=lambda _: None)


def inspect(lab: Lab, enclave: LabEnclave, account: LocalAccount) -> VerifiedEnclave:
    host = str(account.address)
    check = check_of(lab, host)
    return check.inspect(Endpoint.parse(enclave.endpoint), enclave.endpoint, host)


def verify(lab: Lab, enclave: LabEnclave, account: LocalAccount) -> VerifiedEnclave:
    host = str(account.address)
    check = check_of(lab, host)
    return check.require_own(Endpoint.parse(enclave.endpoint), enclave.endpoint, host)


def test_require_own__own_enclave__has_no_objections(lab: Lab) -> None:
    enclave = lab.enclaves[0]
    verified = verify(lab, enclave, enclave.host)
    assert verified.objections == ()
    assert verified.tcb_status == "UpToDate"
    assert verified.statement.identity == enclave.identity


def test_inspect__of_another_host__shows_it_and_names_both(lab: Lab) -> None:
    enclave, stranger = lab.enclaves[0], lab.world.account("stranger")
    verified = inspect(lab, enclave, stranger)
    assert verified.statement.identity.keyset == enclave.keys.keyset
    [objection] = verified.objections
    assert (
        objection == f"it was started for host {enclave.host.address}, not for {stranger.address}"
    )


def test_require_own__of_another_host__is_refused(lab: Lab) -> None:
    enclave, stranger = lab.enclaves[0], lab.world.account("stranger")
    with pytest.raises(StatementRefused, match=f"{enclave.host.address}, not for"):
        verify(lab, enclave, stranger)


def test_inspect__image_not_allowed__shows_its_measurement(lab: Lab) -> None:
    enclave = lab.enclaves[0]
    measurement = inspect(lab, enclave, enclave.host).quote.report.measurement
    registry = lab.chain.contract("ShardRegistry", lab.chain.deployment.registry)
    withdraw = registry.functions.withdrawMeasurement(lab.model_id, measurement)
    lab.chain.act(lab.chain.deployer, withdraw)
    verified = inspect(lab, enclave, enclave.host)
    assert verified.quote.report.measurement == measurement
    assert f"0x{measurement.hex()} is not allowed" in verified.objections[0]
    with pytest.raises(StatementRefused, match="is not allowed"):
        verify(lab, enclave, enclave.host)

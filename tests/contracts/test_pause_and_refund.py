# SPDX-License-Identifier: Apache-2.0
"""What a pause stops, and what nothing stops.

given a paused escrow
    it should admit no request
    it should refund an open one after its deadline, with the penalty from the primary's bond
    it should pay withdrawals
    when the publisher resumes it
        it should admit requests again
given an open request
    when its deadline has not passed
        it should not be refunded
    when an entry declines it
        it should give everything back, without penalty
"""

from collections.abc import Callable
from typing import Any

import ape
import pytest
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from tests.contracts.conftest import BOND, INPUT_PRICE, OUTPUT_PRICE
from tests.contracts.deployed import DeployedContracts, Roles
from tests.contracts.enrolment import EnrolledShard
from tests.contracts.paid_requests import INPUT_CAP, OUTPUT_CAP, WINDOW, ask, parameters_of
from tests.contracts.scripts import Scripts

Path = tuple[EnrolledShard, EnrolledShard]

DEPOSIT = INPUT_CAP * INPUT_PRICE + OUTPUT_CAP * OUTPUT_PRICE
PENALTY = 10**18
INVALID = 1
REFUNDED, DECLINED = 3, 4


@pytest.fixture
def open_request(
    deployed: DeployedContracts, roles: Roles, model_id: int, path: Path
) -> Callable[[], int]:
    deployed.token.transfer(roles.requester, 10 * DEPOSIT, sender=roles.treasury)

    def open_request() -> int:
        parameters = parameters_of(deployed, model_id, path[0])
        return ask(deployed, roles.requester, parameters, DEPOSIT)[0]

    return open_request


def test_pause__by_the_guardian__admits_no_request(
    scripts: Scripts,
    deployed: DeployedContracts,
    roles: Roles,
    open_request: Callable[[], int],
    project: ProjectManager,
) -> None:
    scripts.succeed("admin", "pause", account=Roles.named("guardian"))
    with ape.reverts(project.InferenceEscrow.RequestsPaused):
        open_request()
    scripts.succeed("admin", "unpause", account=Roles.named("publisher"))
    assert open_request() == deployed.escrow.requestCount()


def test_refund__paused_and_deadline_passed__gives_back_with_the_penalty(
    deployed: DeployedContracts,
    roles: Roles,
    path: Path,
    open_request: Callable[[], int],
    chain: ChainManager,
) -> None:
    request_id = open_request()
    deployed.escrow.pauseRequests(sender=roles.guardian)
    before = deployed.token.balanceOf(roles.requester)
    chain.mine(timestamp=chain.pending_timestamp + WINDOW + 1)
    deployed.escrow.refund(request_id, sender=roles.stranger)
    assert deployed.escrow.requestOf(request_id).status == REFUNDED
    assert deployed.registry.shard(path[0].shard_id).bond == BOND - PENALTY
    assert not deployed.registry.isActive(path[0].shard_id)
    deployed.escrow.withdraw(roles.requester, sender=roles.stranger)
    assert deployed.token.balanceOf(roles.requester) == before + DEPOSIT + PENALTY


def test_refund__before_the_deadline__is_refused(
    deployed: DeployedContracts,
    roles: Roles,
    open_request: Callable[[], int],
    project: ProjectManager,
) -> None:
    request_id = open_request()
    deadline = deployed.escrow.requestOf(request_id).deadline
    error = project.InferenceEscrow.RefundTooEarly
    with ape.reverts(error, requestId=request_id, deadline=deadline):
        deployed.escrow.refund(request_id, sender=roles.requester)


def test_decline__by_the_entry__gives_everything_back_without_penalty(
    deployed: DeployedContracts,
    roles: Roles,
    path: Path,
    open_request: Callable[[], int],
    accounts: Any,
    chain: ChainManager,
) -> None:
    request_id = open_request()
    signer = accounts[path[0].enclave.keys.signer.address]  # impersonated: ape has no such key
    chain.provider.set_balance(signer.address, 10**18)
    deployed.escrow.decline([request_id], INVALID, sender=signer)
    assert deployed.escrow.requestOf(request_id).status == DECLINED
    assert deployed.escrow.accountOf(roles.requester).credit == DEPOSIT
    assert deployed.registry.shard(path[0].shard_id).bond == BOND

# SPDX-License-Identifier: Apache-2.0
"""A request from deposit to withdrawal, over a path of two attested enclaves of two hosts.

given a paid request
    when its path settles it
        it should divide the deposit to the last unit, by layers, fee and royalty
        it should name each stage's quote
        it should pay everyone who withdraws, once
    when it is settled again
        it should be refused
    when a receipt is signed by another enclave, or a stage is missing
        it should be refused, and stay open
given a request above what its sender is ready to pay, or without token allowance
    it should be refused
"""

from typing import Any

import ape
import pytest
from ape.managers.project import ProjectManager

from tests.contracts.conftest import ENTRY_LAYER_EQUIVALENTS, INPUT_PRICE, OUTPUT_PRICE, ROYALTY_BPS
from tests.contracts.deployed import DeployedContracts, Roles
from tests.contracts.enclaves import LAYERS
from tests.contracts.enrolment import EnrolledShard
from tests.contracts.paid_requests import (
    ANSWER,
    INPUT_CAP,
    OUTPUT_CAP,
    ask,
    parameters_of,
    settlement_of,
)

Path = tuple[EnrolledShard, EnrolledShard]

DEPOSIT = INPUT_CAP * INPUT_PRICE + OUTPUT_CAP * OUTPUT_PRICE
INPUT, OUTPUT = 17, 41
COST = INPUT * INPUT_PRICE + OUTPUT * OUTPUT_PRICE
FEE_BPS = 250
SETTLED = 2


@pytest.fixture
def request_id(deployed: DeployedContracts, roles: Roles, model_id: int, path: Path) -> int:
    deployed.token.transfer(roles.requester, 10 * DEPOSIT, sender=roles.treasury)
    return ask(deployed, roles.requester, parameters_of(deployed, model_id, path[0]), DEPOSIT)[0]


@pytest.fixture
def settlement(
    deployed: DeployedContracts, roles: Roles, model_id: int, path: Path, request_id: int
) -> dict[str, Any]:
    return settlement_of(
        deployed,
        model_id,
        request_id,
        path,
        requester=roles.requester,
        input_tokens=INPUT,
        output_tokens=OUTPUT,
    )


def test_settle__whole_path__divides_the_deposit_to_the_last_unit(
    deployed: DeployedContracts,
    roles: Roles,
    path: Path,
    request_id: int,
    settlement: dict[str, Any],
) -> None:
    receipt = deployed.escrow.settle(settlement, sender=roles.stranger)

    royalty = COST * ROYALTY_BPS // 10_000
    pool = COST - COST * FEE_BPS // 10_000 - royalty
    weights = (2 + ENTRY_LAYER_EQUIVALENTS, 2)
    shares = [pool * weight // (LAYERS + ENTRY_LAYER_EQUIVALENTS) for weight in weights]
    fee = COST - royalty - sum(shares)

    (settled,) = receipt.decode_logs(deployed.escrow.RequestSettled)
    assert (settled.cost, settled.fee, settled.royalty) == (COST, fee, royalty)
    assert settled.refund == DEPOSIT - COST
    assert sum(shares) + fee + royalty + settled.refund == DEPOSIT
    assert bytes(settled.answer) == ANSWER
    credit = {
        role: deployed.escrow.accountOf(getattr(roles, role)).credit
        for role in ("entry_host", "last_host", "treasury", "publisher", "requester")
    }
    assert credit == {
        "entry_host": shares[0],
        "last_host": shares[1],
        "treasury": fee,
        "publisher": royalty,
        "requester": DEPOSIT - COST,
    }
    assert deployed.escrow.requestOf(request_id).status == SETTLED


def test_settle__whole_path__names_each_stages_quote(
    deployed: DeployedContracts, roles: Roles, path: Path, settlement: dict[str, Any]
) -> None:
    receipt = deployed.escrow.settle(settlement, sender=roles.stranger)
    stages = receipt.decode_logs(deployed.escrow.StageSettled)
    assert [(stage.shardId, stage.host, bytes(stage.quoteHash)) for stage in stages] == [
        (shard.shard_id, shard.host, bytes(deployed.registry.shard(shard.shard_id).quoteHash))
        for shard in path
    ]


def test_withdraw__after_settlement__pays_everyone_once(
    deployed: DeployedContracts, roles: Roles, settlement: dict[str, Any], project: ProjectManager
) -> None:
    deployed.escrow.settle(settlement, sender=roles.stranger)
    for role in ("entry_host", "last_host", "treasury", "publisher", "requester"):
        account = getattr(roles, role)
        before, credit = (
            deployed.token.balanceOf(account),
            deployed.escrow.accountOf(account).credit,
        )
        deployed.escrow.withdraw(account, sender=roles.stranger)
        assert deployed.token.balanceOf(account) == before + credit
        with ape.reverts(project.InferenceEscrow.NothingToWithdraw, account=account.address):
            deployed.escrow.withdraw(account, sender=roles.stranger)
    assert deployed.token.balanceOf(deployed.escrow) == 0


def test_settle__second_time__is_refused(
    deployed: DeployedContracts,
    roles: Roles,
    request_id: int,
    settlement: dict[str, Any],
    project: ProjectManager,
) -> None:
    deployed.escrow.settle(settlement, sender=roles.stranger)
    error = project.InferenceEscrow.RequestNotOpen
    with ape.reverts(error, requestId=request_id, status=SETTLED):
        deployed.escrow.settle(settlement, sender=roles.stranger)


def test_settle__receipt_signed_by_another_enclave__is_refused(
    deployed: DeployedContracts,
    roles: Roles,
    path: Path,
    request_id: int,
    settlement: dict[str, Any],
    project: ProjectManager,
) -> None:
    first, second = settlement["receipts"]
    settlement["receipts"][1] = (*second[:3], *first[3:])
    with ape.reverts(
        project.InferenceEscrow.WrongSigner,
        requestId=request_id,
        stage=1,
        expected=path[1].enclave.keys.signer.address,
    ):
        deployed.escrow.settle(settlement, sender=roles.stranger)


def test_settle__missing_stage__is_refused(
    deployed: DeployedContracts,
    roles: Roles,
    request_id: int,
    settlement: dict[str, Any],
    project: ProjectManager,
) -> None:
    settlement["receipts"].pop()
    error = project.InferenceEscrow.PathIncomplete
    with ape.reverts(error, requestId=request_id, endLayer=2, layerCount=LAYERS):
        deployed.escrow.settle(settlement, sender=roles.stranger)


def test_request__above_the_callers_limit__is_refused(
    deployed: DeployedContracts, roles: Roles, model_id: int, path: Path, project: ProjectManager
) -> None:
    parameters = parameters_of(deployed, model_id, path[0], maxDeposit=DEPOSIT - 1)
    error = project.InferenceEscrow.DepositAboveLimit
    with ape.reverts(error, deposit=DEPOSIT, maxDeposit=DEPOSIT - 1):
        deployed.escrow.request(parameters, sender=roles.requester)


def test_request__without_token_allowance__is_refused(
    deployed: DeployedContracts, roles: Roles, model_id: int, path: Path, project: ProjectManager
) -> None:
    parameters = parameters_of(deployed, model_id, path[0])
    with ape.reverts(
        project.InferenceEscrow.TokenAllowanceTooLow,
        requester=roles.requester.address,
        allowance=0,
        needed=DEPOSIT,
    ):
        deployed.escrow.request(parameters, sender=roles.requester)

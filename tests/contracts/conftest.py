# SPDX-License-Identifier: Apache-2.0
"""One deployment for all contract tests, by the script that deploys on Base.

ape reverts the chain after every test, and after a fixture's scope what the fixture did.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ape.api import AccountAPI
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from tee_simulator import SimulatedPki
from teetee.chain.deployment import Deployment
from teetee.protocol.layers import LayerRange
from tests.contracts.collateral import bring_collateral
from tests.contracts.deployed import ROLES, DeployedContracts, Roles
from tests.contracts.enclaves import MANIFEST, Enclave
from tests.contracts.enrolment import EnrolledShard, enrol, enrolment_of
from tests.contracts.scripts import Scripts

DELAY = 3600
BOND = 100 * 10**18
INPUT_PRICE, OUTPUT_PRICE = 10**14, 3 * 10**14
ROYALTY_BPS, ENTRY_LAYER_EQUIVALENTS = 500, 2
# as if there were no collateral to propose a number by
ANY_EVALUATION_NUMBER = ("--minimum-evaluation-number", "0")


@pytest.fixture(scope="session")
def roles(accounts: Any) -> Roles:
    return Roles(**{role: accounts[index] for index, role in enumerate(ROLES)})


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deployed")


@pytest.fixture(scope="session")
def pki(folder: Path) -> SimulatedPki:
    return SimulatedPki.open(folder / "pki")


@pytest.fixture(scope="session")
def deploy_arguments(pki: SimulatedPki, folder: Path, roles: Roles) -> list[str]:
    """Each role to an account of its own, and an hour's notice."""
    holders = ("admin", "publisher", "notice_giver", "guardian", "treasury")
    named = [
        part
        for role in holders
        for part in (f"--{role.replace('_', '-')}", getattr(roles, role).address)
    ]
    delays = ["--admin-delay", "1h", "--notice-delay", "1h"]
    return ["deploy", "--root-ca", str(folder / "pki" / "root.pem"), *named, *delays]


@pytest.fixture(scope="session")
def scripts(folder: Path) -> Scripts:
    return Scripts(folder / "deployment.json")


@pytest.fixture(scope="session")
def deployed(
    scripts: Scripts, deploy_arguments: list[str], roles: Roles, project: ProjectManager, chain: Any
) -> DeployedContracts:
    scripts.succeed(*deploy_arguments, account=roles.named("deployer"))
    deployment = Deployment.load(scripts.deployment)
    abi = Path(__file__).parents[2] / "teetee" / "abi" / "GuardedAccessManager.json"
    return DeployedContracts(
        deployment,
        token=project.UsageToken.at(deployment.token),
        registry=project.ShardRegistry.at(deployment.registry),
        escrow=project.InferenceEscrow.at(deployment.escrow),
        verifier=project.DcapVerifier.at(deployment.verifier),
        certificates=project.PckCertificates.at(deployment.certificates),
        manager=chain.contracts.instance_at(deployment.access_manager, abi=abi),
    )


@pytest.fixture(scope="session")
def entry(folder: Path, pki: SimulatedPki) -> Enclave:
    return Enclave.start(folder, "entry", pki, LayerRange(0, 2))


@pytest.fixture(scope="session")
def last(folder: Path, pki: SimulatedPki) -> Enclave:
    return Enclave.start(folder, "last", pki, LayerRange(2, 4))


@pytest.fixture(scope="session")
def publish(
    scripts: Scripts, deployed: DeployedContracts, folder: Path, entry: Enclave
) -> Callable[..., Any]:
    """Publishes the four-layer model, by the account of the named role."""
    manifest = folder / "manifest.json"
    manifest.write_text(MANIFEST.to_json())

    def publish(*more: str, by: str = "publisher") -> dict[str, Any]:
        return scripts.facts(
            *("publish_model", "--manifest", str(manifest)),
            *("--input-price", f"{INPUT_PRICE} wei", "--output-price", f"{OUTPUT_PRICE} wei"),
            *("--royalty-bps", str(ROYALTY_BPS)),
            *("--entry-layer-equivalents", str(ENTRY_LAYER_EQUIVALENTS)),
            *(() if "--minimum-evaluation-number" in more else ANY_EVALUATION_NUMBER),
            *("--measurement", "0x" + entry.measurement.hex(), *more),
            account=Roles.named(by),
        )

    return publish


@pytest.fixture(scope="session")
def model_id(publish: Callable[..., Any]) -> int:
    published: int = publish()["modelId"]
    return published


@pytest.fixture(scope="session")
def collateral(
    deployed: DeployedContracts, pki: SimulatedPki, roles: Roles, chain: ChainManager
) -> datetime:
    """Collateral for the simulated machines, without any finding; the time of its issue."""
    now = datetime.fromtimestamp(chain.pending_timestamp, UTC)
    return bring_collateral(deployed, pki, roles.stranger, now)


@pytest.fixture(scope="session")
def path(
    deployed: DeployedContracts,
    roles: Roles,
    model_id: int,
    entry: Enclave,
    last: Enclave,
    collateral: datetime,
) -> tuple[EnrolledShard, EnrolledShard]:
    """Two shards of two hosts: together they serve the whole model."""

    def enrolled(host: AccountAPI, enclave: Enclave) -> EnrolledShard:
        deployed.token.transfer(host, BOND, sender=roles.treasury)
        return enrol(deployed, enclave, host, enrolment_of(deployed, enclave, host, model_id))

    return enrolled(roles.entry_host, entry), enrolled(roles.last_host, last)
